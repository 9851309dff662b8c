// Adds the flow that stdin describes; prints the ids of parent and children.
import { FlowProducer } from "bullmq";
import { connection, prefix, input, print } from "./shared.mjs";

const flows = new FlowProducer({ connection, prefix });
const { job, children } = await flows.add(await input());
print([job.id, ...children.map((child) => child.job.id)]);
await flows.close();
