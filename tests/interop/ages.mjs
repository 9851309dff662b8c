// The older libraries themselves, by the names that package.json gives them. With `record`, writes what each of them
// leaves in Redis into ages/<age>.json (REDIS_PORT: a server of its own). Else on call, as shell.mjs is: each line of
// stdin is {age, prefix, queue, verb, given}, each line of stdout its answer.
import { createInterface } from "node:readline";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connection, print } from "./shared.mjs";

const require = createRequire(import.meta.url);
export const AGES = ["bull-v3", "bull-v4", "bullmq-v3", "bullmq-v4", "bullmq-v5-early", "bullmq-v5", "bullmq"];
const PREFIX = "ages";
/** So far away that no fixture ever comes due. */
const FAR = 50 * 365 * 86_400_000;
const YEARLY = "0 3 1 1 *";
const opened = [];

/** One face for all: Bull's queue is worker and queue in one. */
function library(age, name, prefix = PREFIX) {
  return age.startsWith("bull-") ? bull(age, name, prefix) : bullmq(age, name, prefix);
}

function bull(age, name, prefix) {
  const Bull = require(age);
  const queue = new Bull(name, { redis: connection, prefix });
  opened.push(() => queue.close(true));
  return {
    queue,
    add: (job, data, opts) => queue.add(job, data, opts),
    work(run) {
      queue.process("*", 1, run);
      return () => queue.pause(true, true);
    },
    async every() {
      await queue.add("nightly", { n: 1 }, { repeat: { cron: YEARLY, tz: "Europe/Paris" } });
      await queue.add("often", {}, { repeat: { every: FAR } });
    },
  };
}

function bullmq(age, name, prefix) {
  const { Queue, Worker } = require(age);
  const given = { connection, prefix };
  const queue = new Queue(name, given);
  opened.push(() => queue.close());
  return {
    queue,
    add: (job, data, opts) => queue.add(job, data, opts),
    work(run) {
      const worker = new Worker(name, run, { ...given, name: "old hand" });
      opened.push(() => worker.close(true));
      return () => worker.close();
    },
    async every() {
      if (age !== "bullmq") {
        await queue.add("nightly", { n: 1 }, { repeat: { pattern: YEARLY, tz: "Europe/Paris" } });
        await queue.add("often", {}, { repeat: { every: FAR } });
      }
      if (queue.upsertJobScheduler)
        await queue.upsertJobScheduler("yearly", { pattern: YEARLY, tz: "Europe/Paris" }, { name: "nightly", data: { n: 1 } });
    },
  };
}

async function mixed(age) {
  const made = library(age, "mixed");
  let left = 5, told;
  const ended = new Promise((resolve) => (told = resolve));
  const stop = made.work(async (job) => {
    const fails = job.name === "fails";
    await job.log?.(`working on ${job.name}`);
    if (!fails) await (job.updateProgress ?? job.progress).call(job, 50);
    if (!(fails && job.attemptsMade + 1 < 2)) setTimeout(() => --left || told(), 200);
    if (fails) throw new Error(`no luck with ${job.data.n}`);
    return { done: job.data.n };
  });
  for (const n of [1, 2]) await made.add("works", { n }, {});
  for (const n of [3, 4, 5]) await made.add("fails", { n }, { attempts: 2, backoff: 1 });
  await ended;
  await stop();
  const again = library(age, "mixed");
  await again.add("held", { n: 6 }, {});
  const taken = new Promise((resolve) => again.work((job) => (resolve(), new Promise(() => {}))));
  await taken;
  for (const n of [7, 8, 9]) await again.add("waits", { n }, {});
  for (const priority of [2, 1, 5]) await again.add("first", { priority }, { priority });
  for (const n of [1, 2]) await again.add("later", { n }, { delay: FAR + n });
  await again.add("own id", {}, { jobId: "mine" });
  await again.every();
  if (age.startsWith("bullmq")) await family(age);
  return again.queue;
}

async function family(age) {
  const flows = new (require(age).FlowProducer)({ connection, prefix: PREFIX });
  opened.push(() => flows.close());
  const children = [1, 2].map((n) => ({ name: "child", data: { n }, queueName: "children" }));
  await flows.add({ name: "parent", queueName: "mixed", children });
}

async function parked(age) {
  const { queue, add } = library(age, "parked");
  for (const n of [1, 2, 3]) await add("waits", { n }, {});
  await queue.pause();
  for (const n of [4, 5]) await add("waits", { n }, {});
  for (const priority of [2, 1]) await add("first", { priority }, { priority });
  await add("later", {}, { delay: FAR });
  return queue;
}

/** A delayed job alone, then one that waits: older ones leave a marker among those that wait. */
async function marked(age) {
  const { queue, add } = library(age, "marked");
  await add("later", {}, { delay: FAR });
  await add("waits", {}, {});
  return queue;
}

async function urgent(age) {
  const { queue, add } = library(age, "urgent");
  await add("first", {}, { priority: 1 });
  return queue;
}

async function record(age, redis) {
  await redis.flushall();
  const queues = [];
  for (const make of [mixed, parked, marked, urgent]) queues.push([make.name, await make(age)]);
  const keys = {};
  for (const key of (await redis.keys(`${PREFIX}:*`)).sort()) keys[key] = await dumped(redis, key);
  // Asked last: some take markers away as they count.
  const said = {};
  for (const [name, queue] of queues) said[name] = { counts: await queue.getJobCounts(), isPaused: await queue.isPaused() };
  const { version } = require(`${age}/package.json`);
  // Stack traces name where this ran.
  const text = JSON.stringify({ version, said, keys }, null, 1).replaceAll(new URL(".", import.meta.url).pathname, "/srv/app/");
  await writeFile(new URL(`ages/${age}.json`, import.meta.url), `${text}\n`);
}

async function dumped(redis, key) {
  const read = {
    string: () => redis.get(key),
    list: () => redis.lrange(key, 0, -1),
    set: () => redis.smembers(key),
    hash: () => redis.hgetall(key),
    zset: async () => pairs(await redis.zrange(key, 0, -1, "WITHSCORES")),
    stream: async () => (await redis.xrange(key, "-", "+")).map(([, fields]) => Object.fromEntries(pairs(fields))),
  };
  const type = await redis.type(key);
  return { type, value: await read[type](), ...((await redis.pttl(key)) > 0 && { expires: true }) };
}

const pairs = (flat) => flat.flatMap((one, at) => (at % 2 ? [] : [[one, flat[at + 1]]]));
const answered = new Map();

const verbs = {
  /** Works until `stopped`; what it did is kept until then. */
  async work({ age, prefix, queue }) {
    const did = [];
    const stop = library(age, queue, prefix).work(async (job) => (did.push(job.name), "done by the old one"));
    answered.set(prefix + queue, { did, stop });
  },
  async did({ prefix, queue }) {
    return answered.get(prefix + queue).did;
  },
  async stopped({ prefix, queue }) {
    await answered.get(prefix + queue).stop();
  },
  /** Calls methods of that library's Queue, [[name, ...arguments], …]; their answers. */
  async ask({ age, prefix, queue, given }) {
    const made = library(age, queue, prefix).queue;
    const answers = [];
    for (const [name, ...args] of given) answers.push((await made[name](...args)) ?? null);
    return answers;
  },
};

async function closed() {
  for (const close of opened.splice(0).reverse()) await close().catch(() => {});
}

if (process.argv[2] === "record") {
  const redis = new (require("ioredis").Redis)(connection);
  for (const age of process.argv.slice(3).length ? process.argv.slice(3) : AGES) {
    await record(age, redis);
    await Promise.race([closed(), new Promise((resolve) => setTimeout(resolve, 2000))]);
  }
  process.exit();
}
for await (const line of createInterface({ input: process.stdin })) {
  const { verb, ...asked } = JSON.parse(line);
  try {
    print({ answer: (await verbs[verb](asked)) ?? null });
  } catch (error) {
    print({ error: error.stack });
  }
}
await Promise.race([closed(), new Promise((resolve) => setTimeout(resolve, 2000))]);
process.exit();
