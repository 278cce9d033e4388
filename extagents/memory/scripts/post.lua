-- ARGV 7 the report's hash, 8 wave, 9 body, 10 '1' if it says that the shard could not be read; KEYS 11 the place in the read
-- cache, if it is to be kept there.
if fenced_off() then
  return FENCED
end
local report, wave, body = ARGV[7], ARGV[8], ARGV[9]
local old = redis.call('HGET', reports, report)
if old then
  local failure = cjson.decode(old)['failure']
  if ARGV[10] == '1' or failure == nil or failure == cjson.null then
    return 0
  end
  for _, entry in ipairs(redis.call('LRANGE', log, 0, -1)) do
    if string.sub(entry, -#report) == report then
      redis.call('LREM', log, 1, entry)
      break
    end
  end
  redis.call('HSET', record, 'born', call_id) -- who has read the log so far reads it anew
else
  redis.call('HINCRBY', record, 'reports', 1)
end
redis.call('HSET', reports, report, body)
redis.call('RPUSH', log, wave .. ':' .. report)
redis.call('HSETNX', record, 'born', call_id)
if KEYS[11] and redis.call('SET', KEYS[11], body, 'NX', 'EX', ttl) then
  redis.call('SADD', cached, KEYS[11])
end
changed()
return 1
