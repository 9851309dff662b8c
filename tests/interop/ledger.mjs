// A Node worker that keeps the ledger of tests/ledger.py: naps as each job's data asks. Prints a line when ready.
import { openSync, writeSync } from "node:fs";
import { Worker } from "bullmq";
import { connection, prefix, queue, print } from "./shared.mjs";

const ledger = openSync(process.env.LEDGER, "a");
let runs = 0;
// The machine's monotonic clock, as Python's.
const now = () => (Number(process.hrtime.bigint()) / 1e9).toFixed(4);

const worker = new Worker(
  queue,
  async (job) => {
    const run = `${process.pid}.${runs++}`;
    const enter = (what) => writeSync(ledger, `${job.id} ${process.pid} ${run} ${what} ${now()}\n`);
    enter("start");
    await new Promise((resolve) => setTimeout(resolve, job.data.s * 1000));
    enter("done");
    return run;
  },
  {
    connection,
    prefix,
    name: `node-${process.pid}`,
    concurrency: 50,
    lockDuration: Number(process.env.LOCK_MS),
    stalledInterval: Number(process.env.STALLED_MS),
    maxStalledCount: Number(process.env.MAX_STALLED),
  },
);
worker.on("error", (error) => print({ error: String(error) }));
await worker.waitUntilReady();
console.log("worker is ready");
