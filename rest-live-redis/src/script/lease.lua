-- ARGV: 2 number of entries to keep, 3 node, 4 duration of a lease, 5 maximum pause between
-- refreshes, both in milliseconds, 6 whether the node could not refresh its lease in time. Returns
-- how many nodes were lost, and the number of the last report of this node.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pause = now - tonumber(redis.call('GET', KEYS[5]) or now)
redis.call('SET', KEYS[5], now)
redis.call('ZADD', KEYS[3], now + ARGV[4], ARGV[3])
local report = tonumber(redis.call('HGET', KEYS[7], ARGV[3] .. ':report') or '0')
if ARGV[6] == '1' then
    -- Redis was unavailable or refused to write: nodes may have written and could not report it.
    -- The living ones report again.
    redis.call('DEL', KEYS[6])
end
if pause < 0 or pause > tonumber(ARGV[5]) then
    -- No node could refresh: Redis was unavailable, or its clock jumped. All leases start again.
    for _, node in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        redis.call('ZADD', KEYS[3], now + ARGV[4], node)
    end
    return {0, report}
end
-- Nodes that took a lease with a report, because theirs had expired.
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], 0, 0)) do
    redis.call('ZADD', KEYS[3], now + ARGV[4], node)
end
local lost = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
    -- A clean node has lost nothing.
    if redis.call('SREM', KEYS[6], node) == 0 then
        lost[#lost + 1] = node
    end
    redis.call('ZREM', KEYS[3], node)
    redis.call('HDEL', KEYS[7], node, node .. ':report')
end
if #lost > 0 then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '0-*', 'lost', table.concat(lost, ' '))
end
return {#lost, report}
