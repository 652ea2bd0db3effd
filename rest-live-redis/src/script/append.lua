-- ARGV: 2 number of entries to keep, 3 number of the first entry here, then a field and a value for
-- each entry. Entries that this node has already appended are skipped, however often and in
-- whatever order they are sent.
local appended = tonumber(redis.call('GET', KEYS[4]) or '0')
local number = tonumber(ARGV[3])
for i = 4, #ARGV, 2 do
    if number > appended then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '0-*', ARGV[i], ARGV[i + 1])
        appended = number
    end
    number = number + 1
end
redis.call('SET', KEYS[4], appended, 'EX', 86400)
return appended
