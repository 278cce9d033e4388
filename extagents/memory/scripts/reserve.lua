-- ARGV 7 hash of the call, 8-10 wanted, 11-13 kept back, 14-16 ceilings or ''; each as calls, tokens, nano-USD.
local before = earlier()
if before then
  return before
end
if fenced_off() then
  return FENCED
end
local call = ARGV[7]
local limited = ARGV[14] ~= '' or ARGV[15] ~= '' or ARGV[16] ~= ''
if limited then
  local held = redis.call('HGET', calls, call)
  local own = { 0, 0, 0 }
  if held then
    own = { string.match(held, '^(%d+) (%d+) (%d+)$') }
  end
  local used = {
    number('spent_calls') + number('reserved_calls'),
    number('spent_input') + number('spent_output') + number('reserved_tokens'),
    number('spent_cost') + number('reserved_cost'),
  }
  for i = 1, 3 do
    local total = used[i] - tonumber(own[i]) + tonumber(ARGV[7 + i]) + tonumber(ARGV[10 + i])
    if ARGV[13 + i] ~= '' and total > tonumber(ARGV[13 + i]) then
      return 0
    end
  end
end
redis.call('HSETNX', record, 'updated', now)
release(call)
redis.call('HSET', calls, call, ARGV[8] .. ' ' .. ARGV[9] .. ' ' .. ARGV[10])
add('reserved_calls', tonumber(ARGV[8]))
add('reserved_tokens', tonumber(ARGV[9]))
add('reserved_cost', tonumber(ARGV[10]))
if attempt ~= '0' then
  return applied_with(1) -- a first attempt that comes after the call is settled would hold what nobody gives back
end
refresh()
return 1
