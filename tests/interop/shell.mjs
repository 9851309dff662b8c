// Node's BullMQ on call: each line of stdin is {prefix, queue, verb, given}, each line of stdout its answer. One process
// for many tests, for a Node takes longer to start than most of them to run.
import { createInterface } from "node:readline";
import { FlowProducer, Queue } from "bullmq";
import { CronExpressionParser } from "cron-parser";
import { connection, print } from "./shared.mjs";

const verbs = {
  /** Adds the jobs [{name, data, opts}]; their ids. */
  async add({ queue }, jobs) {
    const ids = [];
    for (const { name, data, opts } of jobs) ids.push((await queue.add(name, data, opts)).id);
    return ids;
  },
  /** Adds a flow; the ids of parent and children. */
  async flow({ prefix }, tree) {
    const flows = new FlowProducer({ connection, prefix });
    const { job, children } = await flows.add(tree);
    await flows.close();
    return [job.id, ...children.map((child) => child.job.id)];
  },
  /** What Node says of the jobs of these ids. */
  async look({ queue }, ids) {
    const jobs = [];
    for (const id of ids) {
      const job = await queue.getJob(id);
      jobs.push(
        job && {
          ...job.toJSON(),
          state: await job.getState(),
          processedBy: job.processedBy,
          logs: (await queue.getJobLogs(id)).logs,
          childrenValues: await job.getChildrenValues(),
          ignoredFailures: await job.getIgnoredChildrenFailures(),
        },
      );
    }
    return jobs;
  },
  /** Calls methods of Queue, [[name, ...arguments], …]; their answers. */
  async ask({ queue }, calls) {
    const answers = [];
    for (const [name, ...args] of calls) answers.push((await queue[name](...args)) ?? null);
    return answers;
  },
  /** The next three times (ms) of each [pattern, options], as cron-parser reckons them. */
  async cron(_, rules) {
    return rules.map(([pattern, options]) => {
      const times = CronExpressionParser.parse(pattern, options);
      return [1, 2, 3].map(() => times.next().getTime());
    });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { prefix, queue: name, verb, given } = JSON.parse(line);
  const queue = new Queue(name, { connection, prefix });
  try {
    print({ answer: await verbs[verb]({ prefix, queue }, given) });
  } catch (error) {
    print({ error: error.stack });
  }
  await queue.close();
}
