-- ARGV 7 seconds. 1: the lease lasts as long from now; the fence says whose it is.
if fenced_off() then
  return FENCED
end
local clock = redis.call('TIME')
redis.call('HSET', record, 'until', string.format('%.6f', tonumber(clock[1]) + tonumber(clock[2]) / 1000000 + tonumber(ARGV[7])))
refresh()
return 1
