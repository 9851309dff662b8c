// Node's Worker in the benchmarks: on each queue it does what tests/bench/peers/jobs.py does.
import { Worker } from "bullmq";
import { connection, prefix, queue } from "./shared.mjs";

const now = () => performance.timeOrigin + performance.now();
const failedAt = new Map();
const processors = {
  empty: async () => null,
  limited: async () => null,
  timed: async () => now(),
  retried: async (job) => {
    if (!failedAt.has(job.id)) {
      failedAt.set(job.id, now());
      throw new Error("once");
    }
    return now() - failedAt.get(job.id) - 300;
  },
};
const limiter = queue === "limited" ? { max: 100, duration: 1000 } : undefined;
const concurrency = Number(process.env.CONCURRENCY);
const worker = new Worker(queue, processors[queue], { connection, prefix, concurrency, limiter });
worker.on("error", (error) => console.error(String(error)));
