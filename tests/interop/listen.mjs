// A Node program that listens to a queue in three ways: Toril's socket and its stream (ADDRESS, TOKEN), and BullMQ's
// own QueueEvents. Prints a line when all three are open and one per message; ends when stdin does.
import { QueueEvents } from "bullmq";
import { connection, prefix, queue, print } from "./shared.mjs";

const { ADDRESS, TOKEN } = process.env;

const events = new QueueEvents(queue, { connection, prefix });
events.on("message:updated", (told) => print({ via: "bullmq", type: "message:updated", ...told }));
await events.waitUntilReady();

const socket = new WebSocket(`${ADDRESS.replace("http", "ws")}/api/ws?token=${TOKEN}`);
const subscribed = new Promise((resolve) => {
  socket.onmessage = ({ data }) => {
    const told = JSON.parse(data);
    told.type === "subscribed" ? resolve() : print({ via: "socket", ...told });
  };
});
socket.onopen = () => socket.send(JSON.stringify({ action: "subscribe", queue }));

const ending = new AbortController();
const stream = await fetch(`${ADDRESS}/api/events?queue=${encodeURIComponent(queue)}`, {
  headers: { Authorization: `Bearer ${TOKEN}` },
  signal: ending.signal,
});
const read = (async () => {
  let held = "";
  for await (const text of stream.body.pipeThrough(new TextDecoderStream())) {
    held += text;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) print({ via: "stream", ...JSON.parse(data.slice(6)) });
    }
  }
})().catch(() => {});

await subscribed;
print({ ready: true });
for await (const _ of process.stdin);
ending.abort();
socket.close();
await read;
await events.close();
