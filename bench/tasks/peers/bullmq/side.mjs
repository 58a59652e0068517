// BullMQ's side of bench/tasks/compare: a job that does nothing, and a program that adds it.
//
//   node side.mjs version      prints the versions
//   node side.mjs submit       adds COUNT jobs, a thousand a call
//   node side.mjs work         processes COUNT jobs
//
// COUNT and REDIS_URL are in the environment. Each says "ready", begins when a line comes, and says "done".

import { once } from "node:events";
import { createRequire } from "node:module";
import { Queue, Worker } from "bullmq";

const QUEUE = "bench";
const JOBS_A_CALL = 1000;
// The default of one job at a time would measure the way to the server and back.
const CONCURRENCY = 100;

const count = Number(process.env.COUNT);
const connection = { url: process.env.REDIS_URL, maxRetriesPerRequest: null };

async function waitForGo() {
  console.log("ready");
  await once(process.stdin, "data");
}

function printVersion() {
  const require = createRequire(import.meta.url);
  const versionOf = (name) => require(`${name}/package.json`).version;
  console.log(`BullMQ ${versionOf("bullmq")}, ioredis ${versionOf("ioredis")}, Node.js ${process.versions.node}`);
}

async function submit() {
  const queue = new Queue(QUEUE, { connection });
  await queue.waitUntilReady();
  await waitForGo();
  for (let first = 0; first < count; first += JOBS_A_CALL) {
    const length = Math.min(JOBS_A_CALL, count - first);
    await queue.addBulk(Array.from({ length }, (_, i) => ({ name: "nothing", data: { number: first + i } })));
  }
  console.log("done");
  await queue.close();
  process.stdin.destroy();
}

async function work() {
  let left = count;
  const nothing = async () => {
    if (--left === 0) console.log("done");
  };
  const worker = new Worker(QUEUE, nothing, { connection, autorun: false, concurrency: CONCURRENCY });
  await worker.waitUntilReady();
  await waitForGo();
  await worker.run();
}

const roles = { version: printVersion, submit, work };
await roles[process.argv[2]]();
