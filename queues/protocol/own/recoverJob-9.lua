--[[
  What the stalled check does for a job whose worker is gone, for this one job and at once.

  A script of our own, because BullMQ's moveStalledJobsToWait works for the whole queue: it moves only what an earlier
  check has marked, and marks every active job. The rest is the same: only where nobody holds the lock; the stall is
  counted; past the limit the job is left to be failed by the next worker, unless a scheduler made it; it waits as the
  next to run.

    KEYS[1] the job, KEYS[2] its lock, KEYS[3] active, KEYS[4] wait, KEYS[5] stalled, KEYS[6] meta, KEYS[7] marker,
    KEYS[8] events, KEYS[9] repeat
    ARGV[1] id, ARGV[2] how often a job may stall
  Output: 1 it waits again, 2 it waits to be failed; -1 the job is gone, -3 it is not active, -6 a worker holds its lock
]]
local rcall = redis.call
local id = ARGV[1]

if rcall("EXISTS", KEYS[1]) == 0 then
  return -1
end
if rcall("EXISTS", KEYS[2]) == 1 then
  return -6
end
if rcall("LREM", KEYS[3], 1, id) == 0 then
  return -3
end
rcall("SREM", KEYS[5], id)
local answer = 1
local stalls = rcall("HINCRBY", KEYS[1], "stc", 1)
local scheduler = rcall("HGET", KEYS[1], "rjk")
local is_scheduled = scheduler and rcall("ZSCORE", KEYS[9], scheduler)
if stalls > tonumber(ARGV[2]) and not is_scheduled then
  rcall("HSET", KEYS[1], "defa", "job stalled more than allowable limit")
  answer = 2
end
rcall("RPUSH", KEYS[4], id)
local queue = rcall("HMGET", KEYS[6], "paused", "concurrency", "opts.maxLenEvents")
if not queue[1] and not (queue[2] and rcall("LLEN", KEYS[3]) >= tonumber(queue[2])) then
  rcall("ZADD", KEYS[7], 0, "0")
end
local most = queue[3] or 10000
rcall("XADD", KEYS[8], "MAXLEN", "~", most, "*", "event", "waiting", "jobId", id, "prev", "active")
rcall("XADD", KEYS[8], "MAXLEN", "~", most, "*", "event", "stalled", "jobId", id)
return answer
