// Does what stdin lists, one call after another, and prints the answers: [["queue", "getJobState", "1"], …]; the first
// word names the object: queue, flow, job (its id is the second argument) or wait (for that job's end).
import { FlowProducer, Queue, QueueEvents } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const calls = await input();
const target = new Queue(queue, { connection, prefix });
const flow = new FlowProducer({ connection, prefix });
const plain = (value) => (value && typeof value.toJSON === "function" ? value.toJSON() : value);
const answers = [];
for (const [on, method, ...given] of calls) {
  try {
    if (on === "queue") answers.push(plain(await target[method](...given)));
    else if (on === "flow") {
      const node = await flow[method](...given);
      answers.push(shape(node));
    } else if (on === "job") {
      const job = await target.getJob(method);
      const [verb, ...rest] = given;
      answers.push(plain(await job[verb](...rest)));
    } else {
      const events = new QueueEvents(queue, { connection, prefix });
      await events.waitUntilReady();
      const job = await target.getJob(method);
      answers.push(await job.waitUntilFinished(events, ...given).catch((error) => ({ error: error.message })));
      await events.close();
    }
  } catch (error) {
    answers.push({ error: error.message });
  }
}
print(answers);
await target.close();
await flow.close();

function shape(node) {
  if (!node) return null;
  const { job, children = [] } = node;
  return { id: job.id, queue: job.queueName, name: job.name, children: children.map(shape) };
}
