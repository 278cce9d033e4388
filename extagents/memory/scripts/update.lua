-- ARGV 6… fields and values in turn.
if redis.call('HEXISTS', record, 'manifest') == 0 then
  return 0
end
for i = 6, #ARGV, 2 do
  redis.call('HSET', record, ARGV[i], ARGV[i + 1])
end
changed()
return 1
