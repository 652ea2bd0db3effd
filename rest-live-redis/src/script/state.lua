-- Returns the name of the epoch, the server's run id, its replication id, the last id ever
-- generated, the id of the first entry and, if ARGV[2] is given, up to ARGV[3] entries from that id
-- on.
local replication = redis.call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then
    -- A replica may lack the master's latest entries and later receive others in their place.
    return redis.error_reply('READONLY this Redis is a replica')
end
local replid = string.match(replication, 'master_replid:(%w+)')
local last
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
        last = info[i + 1]
    end
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local entries = {}
if ARGV[2] then
    entries = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return {redis.call('GET', KEYS[2]), run, replid, last, first[1] and first[1][1] or '', entries}
