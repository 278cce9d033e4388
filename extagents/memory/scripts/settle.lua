-- ARGV 6 hash of the call, 7-13 calls, input, output, cached, retries, nano-USD, priced.
local before = earlier()
if before then
  return before
end
redis.call('HSETNX', record, 'updated', now)
release(ARGV[6])
add('spent_calls', tonumber(ARGV[7]))
add('spent_input', tonumber(ARGV[8]))
add('spent_output', tonumber(ARGV[9]))
add('spent_cached', tonumber(ARGV[10]))
add('spent_retries', tonumber(ARGV[11]))
add('spent_cost', tonumber(ARGV[12]))
if ARGV[13] == '1' then
  redis.call('HSET', record, 'spent_priced', '1')
end
return applied_with(1)
