--[[
  Tell whoever follows a queue's events what one of its jobs says of itself.

  A script of our own, because BullMQ's QueueEventsProducer cuts the stream to the length that its caller names (1,000
  events, where the queue keeps 10,000), and speaks for jobs that are gone.

    KEYS[1] the job, KEYS[2] events, KEYS[3] meta
    ARGV[1] id, ARGV[2] the event's name, then its fields and their values
  Output: 1 told; -1 the job is gone
]]
local rcall = redis.call
if rcall("EXISTS", KEYS[1]) == 0 then
  return -1
end
local most = rcall("HGET", KEYS[3], "opts.maxLenEvents") or 10000
rcall("XADD", KEYS[2], "MAXLEN", "~", most, "*", "event", ARGV[2], "jobId", ARGV[1], unpack(ARGV, 3))
return 1
