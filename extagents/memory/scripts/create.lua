-- ARGV 6 manifest, 7 shards. 1: stored; 0: a run of that name is there.
local before = earlier()
if before then
  return before
end
if redis.call('HSETNX', record, 'manifest', ARGV[6]) == 0 then
  return 0
end
redis.call('HSET', record, 'shards', ARGV[7])
changed()
return applied_with(1)
