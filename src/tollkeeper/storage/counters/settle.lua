-- ARGV[2] the id, ARGV[3] its charges, with what was used of each, ARGV[4] `assumed` or empty. Of a rate, the last two
-- numbers are how much later its bucket is full again, in µs, if the charge was held, and if it was not.
-- Answers: now, more to expire, levels.

local id = ARGV[2]
local charges = charges_of(ARGV[3])

local more = expire()
local counts = counts_of(charges)
local state = redis.call('GET', hold_key(id))
-- Evicted, and still due: it was held.
if not state and redis.call('ZREM', due_key, id) == 1 then
  state = 'held'
end
if state == 'settled' then
  local answer = add_levels({now, more}, charges, counts)
  save_steps(charges, counts)
  return packed(answer)
end
is_over(id, 'settled')
local lapsed = state == 'lapsed'
local live = state and not lapsed

for place, charge in ipairs(charges) do
  local count, amount = counts[place], charge[USED]
  if charge[KIND] == 'rate' then
    pour(count, state and charge[COST] or charge[OTHER])
  else
    if live then
      count.held = count.held - charge[AMOUNT]
    end
    if charge[KIND] == 'period' then
      local before = lapsed and charge[AMOUNT] or 0
      count.spent = count.spent + amount - before
      count.assumed = count.assumed + (ARGV[4] == 'assumed' and amount or 0) - before
    end
  end
end
save(charges, counts)
return packed(add_levels({now, more}, charges, counts))
