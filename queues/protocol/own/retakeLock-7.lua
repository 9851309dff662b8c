--[[
  Take back the lock of a job that this worker still runs, or has run, where nobody else took the job meanwhile.

  A script of our own, because BullMQ has none: its extendLock and moveToFinished know a lock only while its key lives.
  After an outage longer than a lock every running job would be run again, and every finished one's result refused.

  Only where all of it is true, looked at in one step:
  - nobody holds a lock on the job;
  - it was not started since (`ats` and `processedOn` are what this worker's own fetch wrote), so that neither another
    worker's run nor another job under the same id is mistaken for ours;
  - its id is still in active; or a stalled check put it back (`stc` is one more than at the fetch) and it still waits.
    Then it goes back to active, and the stall it was charged for is given back: its worker is alive.
  `stc` tells that from what this worker's own commit may have done in an answer that was lost: a retry waits, too.

    KEYS[1] the job, KEYS[2] its lock, KEYS[3] active, KEYS[4] wait, KEYS[5] prioritized, KEYS[6] stalled, KEYS[7] events
    ARGV[1] id, ARGV[2] token, ARGV[3] lock duration (ms), ARGV[4] ats, ARGV[5] processedOn, ARGV[6] stc, as fetched
  Output: 1 ours, 2 ours and moved back to active;
    -1 the job is gone, -2 it was started again, -3 it is neither active nor waiting for us, -6 another holds its lock
]]
local rcall = redis.call
local id, token = ARGV[1], ARGV[2]

local holder = rcall("GET", KEYS[2])
if holder and holder ~= token then
  return -6
end
local found = rcall("HMGET", KEYS[1], "ats", "processedOn", "stc")
if not found[1] then
  return rcall("EXISTS", KEYS[1]) == 1 and -2 or -1
end
if found[1] ~= ARGV[4] or found[2] ~= ARGV[5] then
  return -2
end

local answer = 1
if not rcall("LPOS", KEYS[3], id) then
  if tonumber(found[3] or 0) ~= tonumber(ARGV[6]) + 1 then
    return -3
  end
  -- A stalled check pushes to the end from which jobs are taken.
  if rcall("LREM", KEYS[4], -1, id) == 0 and rcall("ZREM", KEYS[5], id) == 0 then
    return -3
  end
  rcall("LPUSH", KEYS[3], id)
  rcall("HINCRBY", KEYS[1], "stc", -1)
  if rcall("HGET", KEYS[1], "defa") == "job stalled more than allowable limit" then
    rcall("HDEL", KEYS[1], "defa")
  end
  answer = 2
end
rcall("SET", KEYS[2], token, "PX", ARGV[3])
rcall("SREM", KEYS[6], id)
if answer == 2 then
  -- Last: where the stream is broken, the job is ours all the same.
  rcall("XADD", KEYS[7], "*", "event", "active", "jobId", id, "prev", "waiting")
end
return answer
