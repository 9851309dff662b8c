--[[
  Set or remove one field of one job, if the field still is what was looked at and no worker runs the job.

  A script of our own, because BullMQ's updateData writes whatever stands there: of two people who edit one job the
  second would silently overwrite the first, and a deferred failure written while a worker takes the job would fail it
  at some later retry. The stored value is compared by its SHA-1, so that megabytes are not sent to be compared.

    KEYS[1] the job, KEYS[2] its lock, KEYS[3] active, KEYS[4] completed, KEYS[5] failed
    ARGV[1] id, ARGV[2] field, ARGV[3] SHA-1 of the value it must have now (“-”: it must have none), ARGV[4] “set” or
    “remove”, ARGV[5] the value, ARGV[6] “1”: also of a job that has ended, ARGV[7] its `timestamp` (“*”: whatever)
  Output: 1 done; -1 the job is gone, -2 it is another job of this id, -3 it has ended, -4 the value is another now,
  -6 a worker runs it
]]
local rcall = redis.call
local id, field = ARGV[1], ARGV[2]

local seen = rcall("HMGET", KEYS[1], "timestamp", field)
if not seen[1] then
  return -1
end
if ARGV[7] ~= "*" and seen[1] ~= ARGV[7] then
  return -2
end
if rcall("EXISTS", KEYS[2]) == 1 or rcall("LPOS", KEYS[3], id) then
  return -6
end
if ARGV[6] ~= "1" and (rcall("ZSCORE", KEYS[4], id) or rcall("ZSCORE", KEYS[5], id)) then
  return -3
end
if (seen[2] and redis.sha1hex(seen[2]) or "-") ~= ARGV[3] then
  return -4
end
if ARGV[4] == "set" then
  rcall("HSET", KEYS[1], field, ARGV[5])
else
  rcall("HDEL", KEYS[1], field)
end
return 1
