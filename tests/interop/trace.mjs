// Node's BullMQ with telemetry, as an OpenTelemetry adapter would have it. Given {add: [{name, data, opts}]} it adds those
// jobs, given {work: n} it runs n jobs; prints each span: {kind, name, trace, parent}, the traces as W3C headers.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { Queue, Worker } from "bullmq";
import { connection, prefix, queue, input, print } from "./shared.mjs";

const spans = [];
const storage = new AsyncLocalStorage();

class Span {
  constructor(name, { kind }, parent) {
    const trace = parent?.traceparent?.split("-")[1] ?? randomBytes(16).toString("hex");
    this.traceparent = `00-${trace}-${randomBytes(8).toString("hex")}-01`;
    spans.push({ kind, name, trace: this.traceparent, parent: parent?.traceparent ?? null });
  }
  setSpanOnContext(context) {
    return { ...context, traceparent: this.traceparent };
  }
  setAttribute() {}
  setAttributes() {}
  addEvent() {}
  recordException() {}
  end() {}
}

const telemetry = {
  tracer: { startSpan: (...told) => new Span(...told) },
  contextManager: {
    with: (context, callback) => storage.run(context, callback),
    active: () => storage.getStore() ?? {},
    getMetadata: ({ traceparent }) => JSON.stringify({ traceparent }),
    fromMetadata: (_, metadata) => JSON.parse(metadata),
  },
};

const { add, work } = await input();
if (add) {
  const producer = new Queue(queue, { connection, prefix, telemetry });
  for (const { name, data, opts } of add) await producer.add(name, data, opts);
  await producer.close();
}
if (work) {
  let left = work;
  const worker = new Worker(queue, async (job) => storage.getStore(), { connection, prefix, telemetry });
  await new Promise((resolve) => worker.on("completed", () => --left || resolve()));
  await worker.close();
}
print(spans);
