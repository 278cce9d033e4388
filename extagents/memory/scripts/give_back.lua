-- The fence says whose lease ends. Of a run that was never begun nothing is left.
if fenced_off() then
  return FENCED
end
redis.call('HDEL', record, 'holder', 'since', 'until')
local begun = redis.call('HEXISTS', record, 'manifest') == 1 or redis.call('HEXISTS', record, 'reports') == 1
if not begun and number('spent_calls') == 0 then
  redis.call('UNLINK', record, applied)
end
return 1
