-- ARGV 6 hash of the call, 7-9 wanted, 10-12 kept back, 13-15 ceilings or ''; each as calls, tokens, nano-USD.
local call = ARGV[6]
local limited = ARGV[13] ~= '' or ARGV[14] ~= '' or ARGV[15] ~= ''
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
    local total = used[i] - tonumber(own[i]) + tonumber(ARGV[6 + i]) + tonumber(ARGV[9 + i])
    if ARGV[12 + i] ~= '' and total > tonumber(ARGV[12 + i]) then
      return 0
    end
  end
end
redis.call('HSETNX', record, 'updated', now)
release(call)
redis.call('HSET', calls, call, ARGV[7] .. ' ' .. ARGV[8] .. ' ' .. ARGV[9])
add('reserved_calls', tonumber(ARGV[7]))
add('reserved_tokens', tonumber(ARGV[8]))
add('reserved_cost', tonumber(ARGV[9]))
refresh()
return 1
