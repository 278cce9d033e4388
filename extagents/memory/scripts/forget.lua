-- Everything of the run, the entries it put into the read cache too. 1: there was something.
for _, entry in ipairs(redis.call('SMEMBERS', cached)) do
  redis.call('UNLINK', entry)
end
local found = redis.call('UNLINK', record, reports, log, notes, calls, events, cached, applied, journal)
redis.call('ZREM', runs, name)
return found > 0 and 1 or 0
