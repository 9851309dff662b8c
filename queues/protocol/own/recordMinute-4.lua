--[[
  Adds what a worker process recorded of one queue in one minute to what others recorded of it.

  A script, for the counts must be added exactly once: a process that lost the answer sends the same again, under the
  same number, and only Redis knows whether the first was heard. And because the number of job names is bounded over all
  processes: a name beyond the bound is counted under the name of the rest.

  KEYS[1] string: the number of the process's last delivery   KEYS[2] hash: the minute   KEYS[3] zset: names of the queue
  KEYS[4] hash: the queue's totals since they were first counted
  ARGV[1] this delivery's number   ARGV[2] the minute   ARGV[3] seconds that it is kept   ARGV[4] the queue
  ARGV[5] what the key of a name's figures begins with   ARGV[6] most names   ARGV[7] the name of the rest
  ARGV[8] msgpack: name, {figure, how many, ...}, ...   ARGV[9] seconds that a name is remembered
  ARGV[10] msgpack: field of the totals, how much, ...   ARGV[11] seconds that the totals outlive the last of it
  ARGV[12..] figures that the minute's own hash sums up over the names: figure, letter, ...

  Returns 1, or 0 where it had been heard before.
]]
local rcall = redis.call
if (tonumber(rcall("GET", KEYS[1])) or 0) >= tonumber(ARGV[1]) then
  return 0
end
rcall("SET", KEYS[1], ARGV[1], "EX", ARGV[3])

local letters = {}
for at = 12, #ARGV, 2 do
  letters[ARGV[at]] = ARGV[at + 1]
end

rcall("ZREMRANGEBYSCORE", KEYS[3], "-inf", "(" .. (tonumber(ARGV[2]) - tonumber(ARGV[9]) / 60))
local told = cmsgpack.unpack(ARGV[8])
for at = 1, #told, 2 do
  local name, figures = told[at], told[at + 1]
  if not rcall("ZSCORE", KEYS[3], name) and rcall("ZCARD", KEYS[3]) >= tonumber(ARGV[6]) then
    name = ARGV[7]
  end
  rcall("ZADD", KEYS[3], ARGV[2], name)
  local key = ARGV[5] .. name
  for place = 1, #figures, 2 do
    rcall("HINCRBY", key, figures[place], figures[place + 1])
    local letter = letters[tostring(figures[place])]
    if letter then
      rcall("HINCRBY", KEYS[2], letter .. ARGV[4], figures[place + 1])
    end
  end
  rcall("EXPIRE", key, ARGV[3])
end
local totals = cmsgpack.unpack(ARGV[10])
for at = 1, #totals, 2 do
  -- What is no hash there, or no number, holds up nothing else.
  redis.pcall("HINCRBY", KEYS[4], totals[at], totals[at + 1])
end
if #totals > 0 then
  rcall("EXPIRE", KEYS[4], ARGV[11])
end
rcall("EXPIRE", KEYS[2], ARGV[3])
rcall("EXPIRE", KEYS[3], ARGV[9])
return 1
