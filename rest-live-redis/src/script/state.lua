-- Returns the epoch's name, the server's incarnation, that of its data, the last id ever given, the first entry and, from
-- ARGV[2] on, ARGV[3] entries.
local replication = redis.call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then
    -- It may have lost what its master had not given it, and get other entries in their place.
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
