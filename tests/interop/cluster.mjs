// Node's BullMQ on a Redis Cluster, by ioredis: adds the jobs of stdin ({jobs, until}), and works until so many have
// run, whoever added them. Prints the ids, the names of what ran, and what it counts.
import { Queue, Worker } from "bullmq";
import { Cluster } from "ioredis";
import { input, prefix, print, queue } from "./shared.mjs";

const nodes = process.env.PORTS.split(",").map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const open = () => new Cluster(nodes, { redisOptions: { maxRetriesPerRequest: null } });
const { jobs, until } = await input();
const connections = [open(), open()];
const producer = new Queue(queue, { connection: connections[0], prefix });
const ids = (await producer.addBulk(jobs)).map((job) => job.id);
const ran = [];
await new Promise((resolve, reject) => {
  const worker = new Worker(
    queue,
    async (job) => {
      ran.push(job.name);
      return job.data;
    },
    { connection: connections[1], prefix, name: "node-worker" },
  );
  worker.on("error", reject);
  worker.on("completed", () => ran.length >= until && resolve(worker.close()));
});
print({ ids, ran, counts: await producer.getJobCounts("completed", "waiting") });
await producer.close();
for (const each of connections) each.disconnect();
process.exit(0);
