-- ARGV: 2 number of entries to keep, 3 node, 4 duration of a lease, 5 maximum pause between
-- refreshes, both in milliseconds. Returns how many nodes were lost.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pause = now - tonumber(redis.call('GET', KEYS[5]) or now)
redis.call('SET', KEYS[5], now)
redis.call('ZADD', KEYS[3], now + ARGV[4], ARGV[3])
if pause < 0 or pause > tonumber(ARGV[5]) then
    -- No node could refresh: Redis was unavailable, or its clock jumped. All leases start again.
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
