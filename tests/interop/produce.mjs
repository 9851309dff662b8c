// Adds the jobs that stdin lists ([{name, data, opts}]) as Node's BullMQ adds them; prints their ids.
import { Queue } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const jobs = await input();
const producer = new Queue(queue, { connection, prefix });
const ids = [];
for (const { name, data, opts } of jobs) ids.push((await producer.add(name, data, opts)).id);
print(ids);
await producer.close();
