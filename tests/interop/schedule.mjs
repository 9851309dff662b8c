// Upserts a scheduler as stdin says ({id, repeat, template}); prints its first job's id.
import { Queue } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const { id, repeat, template } = await input();
const scheduling = new Queue(queue, { connection, prefix });
print((await scheduling.upsertJobScheduler(id, repeat, template)).id);
await scheduling.close();
