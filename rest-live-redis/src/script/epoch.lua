-- First part of every script. KEYS: 1 events, 2 epoch, 3 leases, 4 number of entries that this node
-- has appended, 5 time of the last lease refresh, 6 clean nodes, 7 connections of the nodes.
-- ARGV[1] is a name that no epoch has had. A stream that was deleted or evicted would start again
-- at 1, so its old entries must belong to another epoch.
if redis.call('EXISTS', KEYS[1], KEYS[2]) < 2 then
    redis.call('SET', KEYS[2], ARGV[1])
    redis.call('XGROUP', 'CREATE', KEYS[1], 'none', '0', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', KEYS[1], 'none')
end
