-- ARGV 7 manifest, 8 shards. 1: stored; 0: a run of that name is there.
local before = earlier()
if before then
  return before
end
if fenced_off() then
  return FENCED
end
if redis.call('HSETNX', record, 'manifest', ARGV[7]) == 0 then
  return 0
end
redis.call('HSET', record, 'shards', ARGV[8])
changed()
return applied_with(1)
