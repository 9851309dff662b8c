// A Node worker: answers each job's data, fails those named "fail". Prints a line when ready and one per job;
// ends when stdin does.
import { Worker } from "bullmq";
import { connection, prefix, queue, print } from "./shared.mjs";

// METRICS: minutes of BullMQ's own lists.
const metrics = process.env.METRICS ? { maxDataPoints: Number(process.env.METRICS) } : undefined;
const worker = new Worker(
  queue,
  async (job) => {
    print({ ran: job.id });
    if (job.name === "fail") throw new Error("failed in Node");
    await job.updateProgress({ stage: "node", percent: 50 });
    await job.log("from Node");
    if (job.name === "slow") await new Promise((resolve) => setTimeout(resolve, job.data.ms ?? 5));
    return job.data;
  },
  { connection, prefix, name: "node-worker", concurrency: 5, metrics },
);
worker.on("error", (error) => print({ error: String(error) }));
await worker.waitUntilReady();
print({ ready: true });
for await (const _ of process.stdin);
await worker.close();
