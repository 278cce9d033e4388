-- ARGV 7 hash of the note's name, 8 content. Returns the version written.
local before = earlier()
if before then
  return before
end
if fenced_off() then
  return FENCED
end
local version = redis.call('HINCRBY', notes, ARGV[7], 1)
redis.call('HSET', notes, ARGV[7] .. ':' .. version, ARGV[8])
return applied_with(version)
