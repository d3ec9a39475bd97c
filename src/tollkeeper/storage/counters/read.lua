-- ARGV[2] charges, or empty for all holds.
-- Answers: now, more to expire, and levels; or these two, and then each hold.

local more = expire()
if ARGV[2] ~= '' then
  local charges = cjson.decode(ARGV[2])
  local counts = counts_of(charges)
  local answer = add_levels({now, more}, charges, counts)
  save_steps(charges, counts)
  return packed(answer)
end
local answer = {packed({now, more})}
for _, id in ipairs(redis.call('ZRANGE', due_key, 0, -1)) do
  local hold = redis.call('GET', hold_key(id))
  if is_live(hold) then
    answer[#answer + 1] = hold
  end
end
return answer
