--[[
  Bring a job that was taken out of another queue into this one, once.

  A script of our own, because BullMQ has none: its add scripts would make another job of it, with the data as Python or
  Node reads it, and know nothing of a first try that a crash cut off. It takes one job, of bounded size.

    KEYS[1] wait, KEYS[2] prioritized, KEYS[3] delayed, KEYS[4] meta, KEYS[5] marker, KEYS[6] active, KEYS[7] events,
    KEYS[8] id
    ARGV[1] msgpack: {base, id (“”: the queue's next number), name, place (wait, front, prioritized, delayed),
    score (of a delayed job), priority, pc (the priorities' counter), hash, logs, once (a set's key), once_id, kept_ms}
  Output: the id it has now; -5 a job of this id is here already, -9 it was brought before
]]
local rcall = redis.call
local job = cmsgpack.unpack(ARGV[1])
if rcall("SISMEMBER", job.once, job.once_id) == 1 then
  return -9
end
local id = job.id
if id == "" then
  -- Custom ids may be numbers too.
  repeat
    id = tostring(rcall("INCR", KEYS[8]))
  until rcall("EXISTS", job.base .. id) == 0
elseif rcall("EXISTS", job.base .. id) == 1 then
  return -5
end
local key = job.base .. id
rcall("SADD", job.once, job.once_id)
rcall("PEXPIRE", job.once, job.kept_ms)
for field, value in pairs(job.hash) do
  rcall("HSET", key, field, value)
end
for _, line in ipairs(job.logs) do
  rcall("RPUSH", key .. ":logs", line)
end

local queue = rcall("HMGET", KEYS[4], "paused", "concurrency", "opts.maxLenEvents")
local most = queue[3]
if not most then
  most = 10000
  -- By this key others discover the queue.
  rcall("HSET", KEYS[4], "opts.maxLenEvents", most)
end
rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "added", "jobId", id, "name", job.name)
if job.place == "delayed" then
  rcall("ZADD", KEYS[3], job.score, id)
  local first = rcall("ZRANGE", KEYS[3], 0, 0, "WITHSCORES")
  rcall("ZADD", KEYS[5], tonumber(first[2]) / 4096, "1")
  local due = string.format("%d", math.floor(tonumber(job.score) / 4096))
  rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "delayed", "jobId", id, "delay", due)
  return id
end
if job.place == "prioritized" then
  rcall("ZADD", KEYS[2], job.priority * 0x100000000 + rcall("INCR", job.pc) % 0x100000000, id)
elseif job.place == "front" then
  rcall("RPUSH", KEYS[1], id)
else
  rcall("LPUSH", KEYS[1], id)
end
if not queue[1] and not (queue[2] and rcall("LLEN", KEYS[6]) >= tonumber(queue[2])) then
  rcall("ZADD", KEYS[5], 0, "0")
end
rcall("XADD", KEYS[7], "MAXLEN", "~", most, "*", "event", "waiting", "jobId", id)
return id
