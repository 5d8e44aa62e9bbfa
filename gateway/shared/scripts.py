"""What Redis does in one step, as Lua. All times are its own (TIME), in microseconds: clocks of machines do not matter.

Every key expires by itself when it means nothing more, so that callers who are gone take no memory.
"""

TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local rates, budgets, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local k, a, granted, out, full_at = 0, 4, 1, {}, {}
for i = 1, rates do
  k = k + 1
  local interval, tolerance = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
  a = a + 2
  local whole = math.max(tonumber(redis.call('GET', KEYS[k]) or 0), now)
  local taken = whole + interval
  local wait, left = taken - tolerance - now, 0
  if wait > math.max(interval * 0.000001, 1) then
    granted = 0
  else
    wait = 0
    left = math.max(math.floor((tolerance - (taken - now)) / interval + 0.000001), 0)
    whole = taken
  end
  full_at[i] = whole
  out[#out + 1] = left
  out[#out + 1] = math.ceil(whole - now)
  out[#out + 1] = math.ceil(wait)
end
for i = 1, budgets do
  k = k + 1
  local amount, window = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
  a = a + 2
  local ends = (math.floor(now / window) + 1) * window
  local kept = redis.call('HMGET', KEYS[k], 'ends', 'used')
  local used = 0
  if kept[1] and tonumber(kept[1]) == ends then used = tonumber(kept[2]) end
  local wait = 0
  if used >= amount then
    wait = ends - now
    granted = 0
  end
  out[#out + 1] = math.floor(math.max(amount - used, 0))
  out[#out + 1] = ends - now
  out[#out + 1] = wait
end
local running = 0
if limit >= 0 then
  k = k + 1
  for i = a + 2, #ARGV do redis.call('ZREM', KEYS[k], ARGV[i]) end
  redis.call('ZREMRANGEBYSCORE', KEYS[k], '-inf', now)
  running = redis.call('ZCARD', KEYS[k])
  if running >= limit then granted = 0 end
end
if granted == 1 then
  for i = 1, rates do
    local lasts = math.max(math.ceil((full_at[i] - now) / 1000), 1)
    redis.call('SET', KEYS[i], string.format('%.3f', full_at[i]), 'PX', lasts)
  end
  if limit >= 0 then
    redis.call('ZADD', KEYS[k], string.format('%.0f', now + tonumber(ARGV[a])), ARGV[a + 1])
    redis.call('PEXPIRE', KEYS[k], math.ceil(tonumber(ARGV[a]) / 1000))
  end
end
return {granted, running, unpack(out)}
"""
"""Keys: of rates, of budgets, of the leases. Arguments: how many rates, how many budgets, the limit of leases (-1 for
none); of each rate its interval and its tolerance, of each budget its amount and its window; how long a lease lasts,
its id, and the ids of leases that have ended. Returns: granted, leases held; of each rule what is left, when it is
whole, and how long to wait."""

RENEW = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[1])), ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1]) / 1000))
"""
"""Key: of the leases. Arguments: how long a lease lasts, and the ids that are held, also such as it does not know."""

CHARGE = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local window = tonumber(ARGV[1])
local ends = (math.floor(now / window) + 1) * window
local kept = redis.call('HMGET', KEYS[1], 'ends', 'used')
local used = tonumber(ARGV[2])
if kept[1] and tonumber(kept[1]) == ends then used = used + tonumber(kept[2]) end
redis.call('HSET', KEYS[1], 'ends', string.format('%.0f', ends), 'used', string.format('%.17g', used))
redis.call('PEXPIREAT', KEYS[1], math.ceil(ends / 1000) + 1000)
"""
"""Key: of a budget. Arguments: its window, and what was used."""
