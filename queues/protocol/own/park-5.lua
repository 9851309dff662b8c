--[[
  Pause a queue that programs of BullMQ 5 or older work on, as those pause it: what waits is parked in `paused`.

  A script of our own, because the one that BullMQ 6 ships leaves the jobs in `wait`: workers of BullMQ 3 and 4 take them
  from there though the queue is paused, and `resume` of BullMQ 3 to 5 renames `paused` over `wait`, which forgets them.
  As long as the queue is parked already, what waits beside it moves behind it, so many at once.

    KEYS[1] wait, KEYS[2] paused, KEYS[3] meta, KEYS[4] marker, KEYS[5] events
    ARGV[1] how many to move at most
  Output: how many still wait beside the parked ones: to be called again
]]
local rcall = redis.call
if rcall("HEXISTS", KEYS[3], "paused") == 0 then
  rcall("HSET", KEYS[3], "paused", 1)
  rcall("XADD", KEYS[5], "*", "event", "paused")
end
rcall("DEL", KEYS[4])
-- A marker of BullMQ 3 or 4 is no job, and nobody is to be woken.
if string.sub(rcall("LINDEX", KEYS[1], -1) or "", 1, 2) == "0:" then
  rcall("RPOP", KEYS[1])
end
if rcall("EXISTS", KEYS[2]) == 0 then
  if rcall("EXISTS", KEYS[1]) == 1 then
    rcall("RENAME", KEYS[1], KEYS[2])
  end
  return 0
end
for _ = 1, ARGV[1] do
  -- The oldest first, each behind those that were parked before it.
  if not rcall("RPOPLPUSH", KEYS[1], KEYS[2]) then
    break
  end
end
return rcall("LLEN", KEYS[1])
