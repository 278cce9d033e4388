-- ARGV 7 hash of the call, 8-14 calls, input, output, cached, retries, nano-USD, priced; 15 and 16 what it brought: key, body.
local before = earlier()
if before then
  return before
end
redis.call('HSETNX', record, 'updated', now)
release(ARGV[7])
add('spent_calls', tonumber(ARGV[8]))
add('spent_input', tonumber(ARGV[9]))
add('spent_output', tonumber(ARGV[10]))
add('spent_cached', tonumber(ARGV[11]))
add('spent_retries', tonumber(ARGV[12]))
add('spent_cost', tonumber(ARGV[13]))
if ARGV[14] == '1' then
  redis.call('HSET', record, 'spent_priced', '1')
end
if ARGV[15] then
  redis.call('HSETNX', journal, ARGV[15], ARGV[16])
end
return applied_with(1)
