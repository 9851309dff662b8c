--[[
  Bring a removed job back from the copy that was kept of it, if its id is still free.

  A script of our own, because BullMQ has none: a job must come back with its hash, logs and place in one step, so that
  no worker meets half of it. It takes one job, of bounded size.

    KEYS[1] the job, KEYS[2] wait, KEYS[3] where it was (a sorted set; wait again where it was there), KEYS[4] meta,
    KEYS[5] marker, KEYS[6] active, KEYS[7] events
    ARGV[1] msgpack: {id, name, place, score, before (the id that runs just before it, or “”), hash, logs, dependencies,
    processed, failed, unsuccessful, parent (its parent's key, where that waited for it; else “”), parents (the set in
    which such a parent waits), parent_id, owner (the deduplication key it owned, or “”), owned_ms; perhaps once (a set's
    key), once_id, kept_ms: then it is brought back once, whatever became of it since}
  Output: 1 done, 2 done but its parent no longer waits for it; -5 a job of this id is there again, -9 it was brought
    back before
]]
local rcall = redis.call
local job = cmsgpack.unpack(ARGV[1])
if job.once and rcall("SISMEMBER", job.once, job.once_id) == 1 then
  return -9
end
if rcall("EXISTS", KEYS[1]) == 1 then
  return -5
end
if job.once then
  rcall("SADD", job.once, job.once_id)
  rcall("PEXPIRE", job.once, job.kept_ms)
end
for field, value in pairs(job.hash) do
  rcall("HSET", KEYS[1], field, value)
end
for _, line in ipairs(job.logs) do
  rcall("RPUSH", KEYS[1] .. ":logs", line)
end
for _, child in ipairs(job.dependencies) do
  rcall("SADD", KEYS[1] .. ":dependencies", child)
end
for _, kind in ipairs({"processed", "failed"}) do
  for child, value in pairs(job[kind]) do
    rcall("HSET", KEYS[1] .. ":" .. kind, child, value)
  end
end
for child, at in pairs(job.unsuccessful) do
  rcall("ZADD", KEYS[1] .. ":unsuccessful", at, child)
end

local answer = 1
if job.parent ~= "" then
  if rcall("ZSCORE", job.parents, job.parent_id) then
    rcall("SADD", job.parent .. ":dependencies", KEYS[1])
  else
    answer = 2
  end
end
if job.owner ~= "" and rcall("EXISTS", job.owner) == 0 then
  rcall("SET", job.owner, job.id)
  if job.owned_ms > 0 then
    rcall("PEXPIRE", job.owner, job.owned_ms)
  end
end

local queue = rcall("HMGET", KEYS[4], "paused", "concurrency", "opts.maxLenEvents")
local most = queue[3] or 10000
rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "added", "jobId", job.id, "name", job.name)
if job.place == "wait" then
  -- Where all that ran before it has run, it is its turn.
  if job.before == "" or rcall("LINSERT", KEYS[2], "BEFORE", job.before, job.id) < 1 then
    rcall("RPUSH", KEYS[2], job.id)
  end
elseif job.place ~= "" then
  rcall("ZADD", KEYS[3], job.score, job.id)
end
if job.place == "delayed" then
  local first = rcall("ZRANGE", KEYS[3], 0, 0, "WITHSCORES")
  rcall("ZADD", KEYS[5], tonumber(first[2]) / 4096, "1")
  local due = string.format("%d", math.floor(tonumber(job.score) / 4096))
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "delayed", "jobId", job.id, "delay", due)
elseif job.place == "wait" or job.place == "prioritized" then
  if not queue[1] and not (queue[2] and rcall("LLEN", KEYS[6]) >= tonumber(queue[2])) then
    rcall("ZADD", KEYS[5], 0, "0")
  end
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "waiting", "jobId", job.id)
elseif job.place == "failed" then
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "failed", "jobId", job.id, "failedReason",
    job.hash.failedReason or "", "prev", "removed")
elseif job.place == "completed" then
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "completed", "jobId", job.id, "returnvalue",
    job.hash.returnvalue or "null", "prev", "removed")
elseif job.place == "waiting-children" then
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "waiting-children", "jobId", job.id)
end
return answer
