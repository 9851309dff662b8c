// Registers the scheduler that stdin describes ({id, repeat, template}) again and again, as a program that restarts each
// second does; prints how often once stdin is closed.
import { Queue } from "bullmq";
import { createInterface } from "node:readline";
import { connection, prefix, queue, print } from "./shared.mjs";

const lines = createInterface({ input: process.stdin });
const { id, repeat, template } = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const scheduling = new Queue(queue, { connection, prefix });
let times = 0;
const register = async () => {
  await scheduling.upsertJobScheduler(id, repeat, template);
  times += 1;
};
await register();
print({ ready: true });
const again = setInterval(register, 1000);
lines.on("close", async () => {
  clearInterval(again);
  await scheduling.close();
  print({ times });
  process.exit(0);
});
