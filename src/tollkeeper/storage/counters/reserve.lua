-- ARGV[2] the id, ARGV[3] the last moment to settle, ARGV[4] the hold, ARGV[5] its charges. Of a rate, the last two
-- numbers are how much later its bucket is full again, and how deep it is, both in µs.
-- Answers: now, more to expire, the place of the charge without room or 0, when there may be room, levels.

local id = ARGV[2]
local charges = charges_of(ARGV[5])
local DEPTH = OTHER

local function full_until(charge, count)
  if charge[KIND] ~= 'rate' then
    -- Not as a sum: beyond the largest whole number of a double, one too much would be rounded away.
    return charge[AMOUNT] > charge[CAP] - (count.spent + count.held) and 0 or nil
  end
  if charge[AMOUNT] > charge[BURST] or charge[CAP] == 0 then
    return 0
  end
  step_back(count)
  -- A full bucket has room for its burst, though the cost is rounded up and the depth is rounded down.
  local at = count.tat - math.max(charge[DEPTH] - charge[COST], 0)
  return at > now and at or nil
end

local more = expire()
local counts = counts_of(charges)

local function refused_at()
  for place, charge in ipairs(charges) do
    local at = charge[HARD] and full_until(charge, counts[place])
    if at then
      return place, at
    end
  end
end

local place, at = refused_at()
if place and redis.call('EXISTS', hold_key(id)) == 0 then
  local answer = {now, more, place, at}
  add_level(answer, charges[place], counts[place])
  save_steps(charges, counts)
  return packed(answer)
end
-- Asked again, it is held once: whether it would find room beside itself does not matter.
if not place and redis.call('SET', hold_key(id), ARGV[4], 'NX') then
  redis.call('ZADD', due_key, ARGV[3], id)
  for place, charge in ipairs(charges) do
    local count = counts[place]
    if charge[KIND] ~= 'rate' then
      count.held = count.held + charge[AMOUNT]
    else
      pour(count, charge[COST])
    end
  end
  save(charges, counts)
  return packed(add_levels({now, more, 0, 0}, charges, counts))
end
local answer = add_levels({now, more, 0, 0}, charges, counts)
save_steps(charges, counts)
return packed(answer)
