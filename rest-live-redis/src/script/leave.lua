-- ARGV: 2 node.
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('SREM', KEYS[6], ARGV[2])
redis.call('HDEL', KEYS[7], ARGV[2], ARGV[2] .. ':report')
redis.call('DEL', KEYS[4])
return 1
