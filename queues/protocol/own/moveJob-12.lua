--[[
  Move one job from where it rests to another resting place, if it is still the job that was looked at.

  A script of our own, because BullMQ has none that leads back: a retry, a promotion or a change of delay can be undone
  only where no worker took the job meanwhile, and a retry with a delay must never be seen waiting in between. All of it
  is looked at and done in one step, for one job.

    KEYS[1] the job, KEYS[2] its lock, KEYS[3] wait, KEYS[4] prioritized, KEYS[5] delayed, KEYS[6] completed,
    KEYS[7] failed, KEYS[8] events, KEYS[9] meta, KEYS[10] marker, KEYS[11] active, KEYS[12] stalled
    ARGV[1] id, ARGV[2] places it may be taken from (“wait,prioritized”), ARGV[3] the place it goes to: delayed,
    completed or failed, ARGV[4] the moment there (due or finished, ms), ARGV[5] its `timestamp` and ARGV[6] its `ats`
    as they were seen (“-”: none; “*”: whatever), ARGV[7] how many fields are set, then their names and values, then
    names of fields that go
  Output: 1 done; -1 the job is gone, -2 it was started since, or is another job of this id, -3 it is in none of these
  places, -6 a worker holds its lock
]]
local rcall = redis.call
local id, to, at = ARGV[1], ARGV[3], ARGV[4]
local place = {wait = KEYS[3], prioritized = KEYS[4], delayed = KEYS[5], completed = KEYS[6], failed = KEYS[7]}

local seen = rcall("HMGET", KEYS[1], "timestamp", "ats")
if not seen[1] then
  return -1
end
if ARGV[5] ~= "*" and seen[1] ~= ARGV[5] or ARGV[6] ~= "*" and (seen[2] or "-") ~= ARGV[6] then
  return -2
end
if rcall("EXISTS", KEYS[2]) == 1 then
  return -6
end
local from
for name in string.gmatch(ARGV[2], "[^,]+") do
  local removed
  if name == "wait" then
    removed = rcall("LREM", place[name], 1, id)
  else
    removed = rcall("ZREM", place[name], id)
  end
  if removed > 0 then
    from = name
    break
  end
end
if not from then
  return -3
end

local set = tonumber(ARGV[7])
for n = 1, set do
  rcall("HSET", KEYS[1], ARGV[6 + 2 * n], ARGV[7 + 2 * n])
end
for n = 8 + 2 * set, #ARGV do
  rcall("HDEL", KEYS[1], ARGV[n])
end
-- As reprocessJob does: a child that is to run again is one that its parent waits for.
if from == "failed" or from == "completed" then
  local parent = rcall("HGET", KEYS[1], "parentKey")
  if parent and parent ~= "" and rcall("EXISTS", parent) == 1 then
    local found = rcall("ZREM", parent .. ":unsuccessful", KEYS[1]) + rcall("HDEL", parent .. ":failed", KEYS[1])
      + rcall("HDEL", parent .. ":processed", KEYS[1])
    if found > 0 then
      rcall("SADD", parent .. ":dependencies", KEYS[1])
    end
  end
end
local most = rcall("HGET", KEYS[9], "opts.maxLenEvents") or 10000
if to == "delayed" then
  rcall("ZADD", KEYS[5], tonumber(at) * 4096, id)
  local first = rcall("ZRANGE", KEYS[5], 0, 0, "WITHSCORES")
  rcall("ZADD", KEYS[10], tonumber(first[2]) / 4096, "1")
  rcall("XADD", KEYS[8], "MAXLEN", "~", most, "*", "event", "delayed", "jobId", id, "delay", at)
else
  rcall("ZADD", place[to], at, id)
  local field = to == "failed" and "failedReason" or "returnvalue"
  local value = rcall("HGET", KEYS[1], field) or ""
  rcall("XADD", KEYS[8], "MAXLEN", "~", most, "*", "event", to, "jobId", id, field, value, "prev", "waiting")
end
return 1
