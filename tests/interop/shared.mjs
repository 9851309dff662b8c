// What every script here needs: where Redis is, what to read, how to answer.
export const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
export const prefix = process.env.PREFIX;
export const queue = process.env.QUEUE;

export async function input() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

export const print = (value) => console.log(JSON.stringify(value));
