-- ARGV: 2 how many entries to keep, 3 the node, 4 the term of a lease and 5 the pause after which it is not the nodes that
-- were away, in milliseconds. Returns how many nodes were lost.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pause = now - tonumber(redis.call('GET', KEYS[5]) or now)
redis.call('SET', KEYS[5], now)
redis.call('ZADD', KEYS[3], now + ARGV[4], ARGV[3])
if pause < 0 or pause > tonumber(ARGV[5]) then
    -- Nobody could refresh: Redis was away, or its clock jumped. All have a new term.
    for _, node in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        redis.call('ZADD', KEYS[3], now + ARGV[4], node)
    end
    return 0
end
local lost = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)
if #lost > 0 then
    redis.call('ZREM', KEYS[3], unpack(lost))
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '0-*', 'lost', table.concat(lost, ' '))
end
return #lost
