// All queues, and a form for a new one.

import { alarm } from "../alarm.js";
import { get, path, put } from "../api.js";
import { add } from "../dom.js";
import { check, choice, area, field, folded, form, jsonOf, text } from "../form.js";
import { flow, lookForFlow } from "../flow.js";
import { bytes, count, rate, visible } from "../format.js";
import { Hold, holdOf } from "../hold.js";
import { latency } from "../latency.js";
import { list } from "../list.js";
import { link, nameOf } from "../names.js";
import { Consumer, Queue } from "../types.js";
import { heading, View } from "../view.js";
import { vhostChoice } from "./vhosts.js";

type Prefetch = Pick<Consumer, "prefetch_count" | "ack_required">;

// Of all consumers together; null if one has no limit.
export function prefetchOf(consumers: Prefetch[]): number | null {
  let sum = 0;
  for (const consumer of consumers) {
    if (!consumer.ack_required || consumer.prefetch_count === 0) return null;
    sum += consumer.prefetch_count;
  }
  return consumers.length === 0 ? null : sum;
}

export function holdOfQueue(queue: Queue, prefetch: number | null): Hold {
  const stats = queue.message_stats;
  return holdOf(
    {
      ready: queue.messages_ready,
      unacked: queue.messages_unacknowledged,
      consumers: queue.consumers,
      inRate: stats.publish_details.rate,
      outRate: stats.deliver_get_details.rate,
      ackRate: stats.ack_details.rate,
      prefetch,
      // Nobody took anything while it was measured: then it says nothing about consumers.
      capacity: queue.consumers > 0 && stats.deliver_get_details.rate > 0 ? (queue.consumer_capacity ?? null) : null,
    },
    alarm(),
    flow().throttled,
  );
}

const keyOf = (queue: { vhost: string; name: string }) => JSON.stringify([queue.vhost, queue.name]);

export function queues(view: View): void {
  heading(view, "Queues");
  let prefetch = new Map<string, Prefetch[]>();
  let askedAt = -Infinity;

  // Whether consumers are at their prefetch is worth a look only where messages wait for them.
  const lookAtConsumers = async (rows: Queue[]) => {
    await lookForFlow(view.signal);
    const waiting = rows.some((queue) => queue.messages_ready > 0 && queue.consumers > 0);
    if (!waiting || performance.now() - askedAt < 5000) return;
    askedAt = performance.now();
    const consumers = await get<Consumer[]>("consumers?columns=queue.name,queue.vhost,prefetch_count,ack_required", view.signal);
    prefetch = new Map();
    for (const consumer of consumers) {
      const key = keyOf(consumer.queue);
      prefetch.set(key, [...(prefetch.get(key) ?? []), consumer]);
    }
  };
  const hold = (queue: Queue) => holdOfQueue(queue, prefetchOf(prefetch.get(keyOf(queue)) ?? []));

  const shown = list<Queue>(view, {
    caption: "Queues",
    address: "queues",
    ask: [
      "name",
      "vhost",
      "type",
      "durable",
      "policy",
      "messages",
      "messages_ready",
      "messages_unacknowledged",
      "message_bytes_ready",
      "consumers",
      "message_stats",
      "consumer_capacity",
      "millrace",
    ],
    key: keyOf,
    sorting: { by: "name", reverse: false },
    whenEmpty: "There is no such queue. Programs declare queues as they start; you can add one below.",
    before: lookAtConsumers,
    columns: [
      { title: "Name", sort: "name", element: (queue) => link(queue.name, "queues", queue.vhost, queue.name) },
      { title: "State", text: (queue) => hold(queue).word, tone: (queue) => `badge ${hold(queue).tone}` },
      { title: "Ready", sort: "messages_ready", numeric: true, text: (queue) => count(queue.messages_ready) },
      {
        title: "Unacked",
        sort: "messages_unacknowledged",
        numeric: true,
        text: (queue) => count(queue.messages_unacknowledged),
      },
      {
        title: "In",
        sort: "message_stats.publish_details.rate",
        numeric: true,
        text: (queue) => rate(queue.message_stats.publish_details.rate),
      },
      {
        title: "Out",
        sort: "message_stats.deliver_get_details.rate",
        numeric: true,
        text: (queue) => rate(queue.message_stats.deliver_get_details.rate),
      },
      {
        title: "Acks",
        sort: "message_stats.ack_details.rate",
        numeric: true,
        minor: true,
        text: (queue) => rate(queue.message_stats.ack_details.rate),
      },
      {
        title: "p99 in queue",
        sort: "millrace.time_in_queue.p99_us",
        numeric: true,
        text: (queue) => latency(queue.millrace.time_in_queue.p99_us),
      },
      {
        title: "p99 to ack",
        sort: "millrace.time_to_ack.p99_us",
        numeric: true,
        minor: true,
        text: (queue) => latency(queue.millrace.time_to_ack.p99_us),
      },
      { title: "Consumers", sort: "consumers", numeric: true, minor: true, text: (queue) => count(queue.consumers) },
      { title: "Size", sort: "message_bytes_ready", numeric: true, minor: true, text: (queue) => bytes(queue.message_bytes_ready) },
      { title: "Vhost", sort: "vhost", minor: true, element: (queue) => nameOf(queue.vhost) },
      { title: "Type", minor: true, text: (queue) => queue.type + (queue.durable ? "" : ", transient") },
    ],
  });

  const vhost = vhostChoice(view);
  const name = text("", { required: true });
  const type = choice([
    ["classic", "classic"],
    ["quorum", "quorum (here: one copy, with a delivery limit)"],
  ]);
  const durable = check("Durable: it outlives a restart", true);
  const more = area("", 3);
  const declare = form(
    view,
    "Add the queue",
    async () => {
      const given = jsonOf(more, "Arguments");
      await put(`queues/${path(vhost.value, name.value)}`, {
        durable: durable.input.checked,
        auto_delete: false,
        arguments: { ...given, "x-queue-type": type.value },
      });
      view.say(`The queue ${visible(name.value)} is there.`);
      name.value = "";
      shown.refresh();
    },
    field("Vhost", vhost),
    field("Name", name),
    field("Type", type),
    durable.element,
    field("Arguments", more, 'JSON, for example {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "failed"}'),
  );
  add(view.root, shown.element, folded("Add a queue", declare));
}
