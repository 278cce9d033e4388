-- ARGV 7… fields and values in turn.
if fenced_off() then
  return FENCED
end
if redis.call('HEXISTS', record, 'manifest') == 0 then
  return 0
end
for i = 7, #ARGV, 2 do
  redis.call('HSET', record, ARGV[i], ARGV[i + 1])
end
changed()
return 1
