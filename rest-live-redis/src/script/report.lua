-- KEYS: 1 clean nodes, 2 connections. ARGV: 1 node, 2 number of the node's connection, 3 number of
-- the report, 4 whether the node is clean. A command of an earlier connection may arrive late.
if tonumber(ARGV[2]) < tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') then
    return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2], ARGV[1] .. ':report', ARGV[3])
redis.call(ARGV[4] == '1' and 'SADD' or 'SREM', KEYS[1], ARGV[1])
return 1
