-- ARGV 7 body, 8 how many are kept.
local before = earlier()
if before then
  return before
end
if fenced_off() then
  return FENCED
end
redis.call('RPUSH', events, ARGV[7])
redis.call('LTRIM', events, -tonumber(ARGV[8]), -1)
return applied_with(1)
