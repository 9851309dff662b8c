// What Node's BullMQ says of the jobs whose ids stdin lists, of the queue and of its workers.
import { Queue } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const ids = await input();
const seen = new Queue(queue, { connection, prefix });
const jobs = {};
for (const id of ids) {
  const job = await seen.getJob(id);
  jobs[id] = job && {
    ...job.toJSON(),
    state: await job.getState(),
    processedBy: job.processedBy,
    logs: (await seen.getJobLogs(id)).logs,
  };
}
print({ jobs, counts: await seen.getJobCounts(), workers: (await seen.getWorkers()).map(({ rawname }) => rawname) });
await seen.close();
