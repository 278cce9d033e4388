-- ARGV 6 body, 7 how many are kept.
local before = earlier()
if before then
  return before
end
redis.call('RPUSH', events, ARGV[6])
redis.call('LTRIM', events, -tonumber(ARGV[7]), -1)
return applied_with(1)
