-- Begins every script. KEYS: 1 the events, 2 the epoch, 3 the leases, 4 what this node has appended, 5 when a lease was
-- last refreshed. ARGV[1] is a name that no epoch had before.
-- A stream that was deleted, or evicted, would begin again at 1: what was there is of another epoch.
if redis.call('EXISTS', KEYS[1], KEYS[2]) < 2 then
    redis.call('SET', KEYS[2], ARGV[1])
    redis.call('XGROUP', 'CREATE', KEYS[1], 'none', '0', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', KEYS[1], 'none')
end
