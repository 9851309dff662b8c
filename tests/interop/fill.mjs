// Adds {count} jobs by addBulk and says how long that took, in ms; {options} is one object or a list to take turns.
import { Queue } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const { count, at_once = count, options = {} } = await input();
const filled = new Queue(queue, { connection, prefix });
await filled.waitUntilReady();
const all = Array.isArray(options) ? options : [options];
const jobs = Array.from({ length: count }, (_, n) => ({ name: "job", data: { n }, opts: all[n % all.length] }));
const began = performance.now();
for (let n = 0; n < count; n += at_once) await filled.addBulk(jobs.slice(n, n + at_once));
print({ ms: performance.now() - began });
await filled.close();
