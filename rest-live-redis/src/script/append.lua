-- ARGV: 2 how many entries to keep, 3 the number of the first entry here, then a field and its value for each.
-- What this node had appended before is not appended again, however often it sends it, and in whatever order it arrives.
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
