-- ARGV 6 the report's hash, 7 wave, 8 body; KEYS 10 the place in the read cache, if it is to be kept there.
if redis.call('HSETNX', reports, ARGV[6], ARGV[8]) == 0 then
  return 0
end
redis.call('RPUSH', log, ARGV[7] .. ':' .. ARGV[6])
redis.call('HSETNX', record, 'born', call_id)
redis.call('HINCRBY', record, 'reports', 1)
if KEYS[10] and redis.call('SET', KEYS[10], ARGV[8], 'NX', 'EX', ttl) then
  redis.call('SADD', cached, KEYS[10])
end
changed()
return 1
