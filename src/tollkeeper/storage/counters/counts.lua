-- What all scripts begin with. Above stand `LATE` and `REMEMBERED` (µs), and how many rows one call cleans up at the
-- `MOST`. Moments are µs: in ns they are no whole numbers of a double. Each redis.call takes 1 µs: so counts are fields
-- of one hash.
--
-- KEYS[1]  the prefix of all keys, a hash tag: on a cluster they are on one node
-- ARGV[1]  the time, of tests; otherwise empty, and the server's counts
--
-- <prefix>:counts     hash: key -> "spent held assumed"; of a rate "tat seen": the moment at which its bucket is full
--                     again, and the last one at which it was changed
-- <prefix>:forget     sorted set: keys of counts by the moment from which on they may be forgotten
-- <prefix>:hold:<id>  a hold as JSON: id, owner, expires_at (ns), charges; of one that is no more `settled` or `lapsed`
-- <prefix>:due        sorted set: ids of holds by their last moment

local prefix = KEYS[1]
local counts_key, forget_key, due_key = prefix .. ':counts', prefix .. ':forget', prefix .. ':due'
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Places in a charge. JSON has neither costs nor what was used, but the window at its place.
local KEY, AMOUNT, CAP, HARD, KIND, UNTIL, USED, BURST, COST, OTHER, NEXT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local KINDS = {[0] = 'period', [1] = 'rate', [2] = 'slots'}

-- Charges as one text of numbers: JSON takes three times as long to read.
local function charges_of(text)
  local charges, at, size = {}, 1, #text
  while at <= size do
    local charge = {struct.unpack('<I4c0ddddddddd', text, at)}
    charge[HARD], charge[KIND] = charge[HARD] == 1, KINDS[charge[KIND]]
    charges[#charges + 1], at = charge, charge[NEXT]
  end
  return charges
end

-- Lua's own conversion writes 14 digits only.
local function digits(number)
  return string.format('%.0f', number)
end

-- Clients take far longer to read many numbers than to read one text of all of them.
local function packed(numbers)
  return struct.pack('<' .. string.rep('d', #numbers), unpack(numbers))
end

local function hold_key(id)
  return prefix .. ':hold:' .. id
end

local function counts_of(charges)
  local keys, counts = {}, {}
  for place, charge in ipairs(charges) do
    keys[place] = charge[KEY]
  end
  if #keys == 0 then
    return counts
  end
  for place, row in ipairs(redis.call('HMGET', counts_key, unpack(keys))) do
    if charges[place][KIND] == 'rate' then
      local tat, seen = string.match(row or '0', '^(%S+) ?(%S*)$')
      counts[place] = {tat = tonumber(tat), seen = tonumber(seen) or 0, known = row}
    else
      local spent, held, assumed = string.match(row or '0 0 0', '^(%S+) (%S+) (%S+)$')
      counts[place] = {spent = tonumber(spent), held = tonumber(held), assumed = tonumber(assumed), known = row}
    end
  end
  return counts
end

-- A bucket is refilled as the clock goes forward. Where that was set back, as much is out of it as was at `seen`.
local function step_back(count)
  if now < count.seen then
    count.tat, count.seen, count.stepped = count.tat - (count.seen - now), now, true
  end
end

local function rate_row(count)
  return digits(count.tat) .. ' ' .. digits(count.seen)
end

-- What has only been looked at is saved where the clock was set back: from now on it is refilled by this time.
local function save_steps(charges, counts)
  for place, count in ipairs(counts) do
    if count.stepped then
      redis.call('HSET', counts_key, charges[place][KEY], rate_row(count))
    end
  end
end

local function pour(count, cost)
  step_back(count)
  count.seen = now
  count.tat = cost > 0 and math.max(count.tat, now) + cost or count.tat + cost
end

-- Three numbers: spent, held and assumed; of a rate, for how many µs it is refilled, and no more.
local function add_level(answer, charge, count)
  local size = #answer
  if charge[KIND] == 'rate' then
    step_back(count)
    answer[size + 1], answer[size + 2], answer[size + 3] = math.max(count.tat - now, 0), 0, 0
  else
    answer[size + 1], answer[size + 2], answer[size + 3] = count.spent, count.held, count.assumed
  end
end

local function add_levels(answer, charges, counts)
  for place, charge in ipairs(charges) do
    add_level(answer, charge, counts[place])
  end
  return answer
end

-- Forget counts that nobody asks for any more.
local function sweep()
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', forget_key, '-inf', digits(now), 'LIMIT', 0, MOST)) do
    local row = redis.call('HGET', counts_key, key) or '0'
    local held = string.match(row, '^%S+ (%S+) %S+$')
    local tat = held and 0 or tonumber(string.match(row, '^%S+'))
    if held and held ~= '0' then
      redis.call('ZADD', forget_key, digits(now + LATE), key)
    elseif tat + LATE > now then
      redis.call('ZADD', forget_key, digits(tat + LATE), key)
    else
      redis.call('HDEL', counts_key, key)
      redis.call('ZREM', forget_key, key)
    end
  end
end

-- Periods that never end are never forgotten; of all others, the moment is looked at again when it has come.
local function forget_at(charge)
  if charge[KIND] ~= 'period' then
    return now + LATE
  elseif charge[UNTIL] > 0 then
    return charge[UNTIL] / 1000 + LATE
  end
end

local function save(charges, counts)
  local rows, begun = {}, false
  for place, charge in ipairs(charges) do
    local count = counts[place]
    rows[2 * place - 1] = charge[KEY]
    if charge[KIND] == 'rate' then
      rows[2 * place] = rate_row(count)
    else
      rows[2 * place] = string.format('%.0f %.0f %.0f', count.spent, count.held, count.assumed)
    end
    local at = not count.known and forget_at(charge)
    if at then
      redis.call('ZADD', forget_key, digits(math.ceil(at)), charge[KEY])
      begun = true
    end
  end
  if #rows > 0 then
    redis.call('HSET', counts_key, unpack(rows))
  end
  if begun then
    sweep()
  end
end

local function is_over(id, how)
  redis.call('SET', hold_key(id), how, 'PX', digits((how == 'settled' and REMEMBERED or LATE) / 1000))
  redis.call('ZREM', due_key, id)
end

-- A hold may be missing though it is due: the server has evicted it, or somebody has deleted it. Then nobody knows what
-- it held: it is over, and nothing is charged.
local function is_live(hold)
  return hold and hold ~= 'settled' and hold ~= 'lapsed'
end

local function lapse(charges)
  local counts = counts_of(charges)
  for place, charge in ipairs(charges) do
    local count = counts[place]
    if charge[KIND] ~= 'rate' then
      count.held = count.held - charge[AMOUNT]
      if charge[KIND] == 'period' then
        count.spent, count.assumed = count.spent + charge[AMOUNT], count.assumed + charge[AMOUNT]
      end
    end
  end
  save(charges, counts)
end

-- Charge in full what nobody has settled in time. Answers 1 if there is more of it than one call does.
local function expire()
  local ids = redis.call('ZRANGEBYSCORE', due_key, '-inf', digits(now), 'LIMIT', 0, MOST)
  for _, id in ipairs(ids) do
    local hold = redis.call('GET', hold_key(id))
    if is_live(hold) then
      lapse(cjson.decode(hold)[4])
      is_over(id, 'lapsed')
    else
      redis.call('ZREM', due_key, id)
    end
  end
  return #ids == MOST and 1 or 0
end
