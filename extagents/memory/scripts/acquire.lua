-- ARGV 7 holder (JSON), 8 seconds, 9 token of a lease whose holder is gone, or ''. Returns the lease as JSON, whoever holds it.
local clock = redis.call('TIME')
local seconds = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local token, holder = redis.call('HGET', record, 'token') or '0', redis.call('HGET', record, 'holder')
local wanted = ARGV[7]
if holder == wanted then -- a repeated attempt, or one that the network had held back: the lease is taken already
  redis.call('HSET', record, 'until', string.format('%.6f', seconds + tonumber(ARGV[8])))
  return lease()
end
if holder and token ~= ARGV[9] and tonumber(redis.call('HGET', record, 'until')) > seconds then
  return lease()
end
-- Whoever reserved this will not settle it any more.
for _, held in ipairs(redis.call('HVALS', calls)) do
  local c, t, m = string.match(held, '^(%d+) (%d+) (%d+)$')
  add('spent_calls', tonumber(c))
  add('spent_input', tonumber(t))
  add('spent_cost', tonumber(m))
  if m ~= '0' then
    redis.call('HSET', record, 'spent_priced', '1')
  end
end
redis.call('DEL', calls)
redis.call('HDEL', record, 'reserved_calls', 'reserved_tokens', 'reserved_cost')
-- Past what a forgotten run of this name had, too: the clock goes on.
token = math.max(tonumber(token) + 1, math.floor(seconds * 1000000))
redis.call('HSET', record, 'token', string.format('%.0f', token), 'holder', wanted)
redis.call('HSET', record, 'since', string.format('%.6f', seconds))
redis.call('HSET', record, 'until', string.format('%.6f', seconds + tonumber(ARGV[8])))
redis.call('HSETNX', record, 'updated', now)
refresh()
return lease()
