-- Stands before every script. KEYS 1-10 are the run's keys and the tenant's index of runs; ARGV 1-6 come with every call.
local record, reports, log, notes, calls = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local events, cached, applied, journal, runs = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now, ttl, name, call_id, fence, attempt = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local FENCED = -1 -- the writer's lease is not the run's

-- Nothing of a run expires while something of it is written.
local function refresh()
  for i = 1, 10 do
    redis.call('EXPIRE', KEYS[i], ttl)
  end
end

local function changed()
  redis.call('HSET', record, 'updated', now)
  redis.call('ZADD', runs, now, name)
  refresh()
end

-- What another attempt of this very call returned, if its reply was lost on the way: it is not applied twice. A first attempt asks,
-- too: it may come after its second, out of a network that had held it back.
local function earlier()
  local kept = redis.pcall('HGET', applied, call_id)
  if type(kept) == 'table' then
    if not string.find(kept.err, 'WRONGTYPE', 1, true) then
      return kept
    end
    redis.call('DEL', applied) -- the list of an earlier version
    return nil
  end
  return kept and tonumber(string.match(kept, '^(-?%d+) '))
end

-- Every write of the last two minutes is known, however many they are; nobody asks again after that.
local function applied_with(result)
  redis.call('HSET', applied, call_id, result .. ' ' .. now)
  local many = redis.call('HLEN', applied)
  if many > 8192 and many % 4096 == 0 then
    local all = redis.call('HGETALL', applied)
    for i = 1, #all, 2 do
      if tonumber(string.match(all[i + 1], ' (.*)$')) < tonumber(now) - 120 then
        redis.call('HDEL', applied, all[i])
      end
    end
  end
  refresh()
  return result
end

-- Whether the writer holds a lease that the run does not have any more.
local function fenced_off()
  if fence == '' then
    return false
  end
  return redis.call('HGET', record, 'token') ~= fence or redis.call('HEXISTS', record, 'holder') == 0
end

-- The run's lease as JSON.
local function lease()
  local held = redis.call('HMGET', record, 'token', 'holder', 'since', 'until')
  return '{"token":' .. held[1] .. ',"holder":' .. held[2] .. ',"since":' .. held[3] .. ',"until":' .. held[4] .. '}'
end

local function number(field)
  return tonumber(redis.call('HGET', record, field) or '0')
end

-- Whole numbers up to 2^53, written out in full and without a sign for zero.
local function add(field, amount)
  redis.call('HSET', record, field, string.format('%.0f', number(field) + amount))
end

-- Ends a reservation, if there is one.
local function release(call)
  local held = redis.call('HGET', calls, call)
  if held then
    local c, t, m = string.match(held, '^(%d+) (%d+) (%d+)$')
    redis.call('HDEL', calls, call)
    add('reserved_calls', -tonumber(c))
    add('reserved_tokens', -tonumber(t))
    add('reserved_cost', -tonumber(m))
  end
end
