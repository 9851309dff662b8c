// Bull Board beside Toril on the same Redis: node board.mjs <redis port> <prefix> <queue,queue…>; prints its own port.
import express from "express";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import { Redis } from "ioredis";

const [redisPort, prefix, names] = process.argv.slice(2);
const connection = new Redis({ host: "127.0.0.1", port: Number(redisPort), maxRetriesPerRequest: null });
const queues = names.split(",").map((name) => new Queue(name, { connection, prefix }));
const serverAdapter = new ExpressAdapter();
serverAdapter.setBasePath("/board");
createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter });
const app = express();
app.use("/board", serverAdapter.getRouter());
const server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
