-- ARGV 6 hash of the note's name, 7 content. Returns the version written.
local before = earlier()
if before then
  return before
end
local version = redis.call('HINCRBY', notes, ARGV[6], 1)
redis.call('HSET', notes, ARGV[6] .. ':' .. version, ARGV[7])
return applied_with(version)
