// One queue: its three numbers, what holds it back, who consumes it, what leads to it, and what can be done with it.

import { get, path, remove } from "../api.js";
import { Chart } from "../chart.js";
import { confirm } from "../dialog.js";
import { add, h, replace, setClass, setText } from "../dom.js";
import { Figure } from "../figure.js";
import { lookForFlow } from "../flow.js";
import { button } from "../form.js";
import { bytes, count, json, rate, visible } from "../format.js";
import { record } from "../history.js";
import { latency, LatencyMap, percentiles } from "../latency.js";
import { link, nameOf, way } from "../names.js";
import { Table } from "../table.js";
import { Consumer, Queue, QueueTimes } from "../types.js";
import { every, heading, section, View } from "../view.js";
import { bindingsTo } from "./bindings.js";
import { peekSection, publishSection } from "./messages.js";
import { moveSection } from "./move.js";
import { holdOfQueue, prefetchOf } from "./queues.js";

function consumerTable(): Table<Consumer> {
  return new Table<Consumer>(
    "Consumers of this queue",
    [
      { title: "Tag", element: (consumer) => nameOf(consumer.consumer_tag) },
      {
        title: "Connection",
        element: (consumer) => link(consumer.channel_details.name, "connections", consumer.channel_details.connection_name),
      },
      { title: "User", element: (consumer) => nameOf(consumer.channel_details.user) },
      { title: "Prefetch", numeric: true, text: (consumer) => (consumer.prefetch_count === 0 ? "no limit" : count(consumer.prefetch_count)) },
      { title: "Acknowledges", text: (consumer) => (consumer.ack_required ? "yes" : "no") },
      { title: "State", text: (consumer) => (consumer.active ? "active" : "waits behind another one") },
    ],
    (consumer) => `${consumer.channel_details.name} ${consumer.consumer_tag}`,
    "Nobody consumes it.",
  );
}

// Theory beside measurement: lately, or since the start while there is nothing of late.
export function waitingFacts(times: QueueTimes): [string, string][] {
  const lately = times.waiting?.predicted_us === null ? times.since_start?.waiting : times.waiting;
  if (!lately) return [["Order", times.scheduling]];
  const busy = lately.utilisation === null ? "" : `, at a load of ${Math.round(100 * lately.utilisation)} %`;
  const others = Object.entries(lately.what_if_us).map(([order, us]) => `${order} ${latency(us)}`);
  return [
    ["Order", times.scheduling],
    ["Mean wait, measured", latency(lately.measured_us)],
    ["Mean wait, predicted", latency(lately.predicted_us) + busy],
    ["Under other orders", others.join(", ")],
  ];
}

function facts(queue: Queue): [string, HTMLElement][] {
  const text = (value: string) => h("span", {}, value);
  return [
    ["Vhost", nameOf(queue.vhost)],
    ["Type", text(queue.type)],
    ["Kept through a restart", text(queue.durable ? "yes" : "no")],
    ["Deleted by itself", text(queue.auto_delete ? "when its last consumer goes" : queue.exclusive ? "with its connection" : "no")],
    ["Arguments", h("code", {}, json(queue.arguments))],
    ["Policy", queue.policy === null ? text("none") : nameOf(queue.policy)],
    ["Operator policy", queue.operator_policy === null ? text("none") : nameOf(queue.operator_policy)],
    ["In force by policies", h("code", {}, json(queue.effective_policy_definition))],
    ["Memory of its messages", text(bytes(queue.memory))],
  ];
}

function dangers(view: View, vhost: string, name: string): HTMLElement {
  const address = `queues/${path(vhost, name)}`;
  const what = nameOf(name);
  const purge = button(
    view,
    "Purge",
    async () => {
      const sure = await confirm({
        title: "Throw away all ready messages?",
        body: [h("p", {}, "Every message that waits in this queue is gone then. Those with consumers stay.")],
        action: "Purge the queue",
        typeName: name,
      });
      if (!sure) return;
      await remove(`${address}/contents`);
      view.say("The queue is purged.");
    },
    "danger",
  );
  const drop = button(
    view,
    "Delete",
    async () => {
      const sure = await confirm({
        title: "Delete this queue?",
        body: [h("p", {}, "The queue ", what, " is gone then, with its messages and bindings. Its consumers are cancelled.")],
        action: "Delete the queue",
        typeName: name,
      });
      if (!sure) return;
      await view.leave(way("queues"), () => remove(address));
    },
    "danger",
  );
  return section("Purge or delete", h("p", { class: "buttons" }, purge, drop));
}

export function queue(view: View, [vhost = "", name = ""]: string[]): void {
  heading(view, "Queue ", nameOf(name));
  const address = `queues/${path(vhost, name)}`;
  const length = new Figure("Length");
  const into = new Figure("Comes in");
  const out = new Figure("Goes out");
  const times = new Figure("Latency");
  const waits = new LatencyMap("Time in queue");
  const holds = new LatencyMap("Time to acknowledge");
  const badge = h("span");
  const why = h("span");
  const lengths = new Chart("Length", ["ready", "unacknowledged"], count);
  const rates = new Chart("Rates", ["in", "out", "acknowledged"], rate);
  const consumers = consumerTable();
  const theory = h("dl", { class: "facts" });
  let shownTheory = "";
  const about = h("dl", { class: "facts" });
  let shownFacts = "";
  add(
    view.root,
    h("p", { class: "hold" }, badge, " ", why),
    h("div", { class: "figures" }, length.element, into.element, out.element, times.element),
    h("div", { class: "charts" }, lengths.element, rates.element, waits.element, holds.element),
    section("Order and waiting time, measured and predicted", theory),
    section("Consumers", consumers.element),
    peekSection(view, vhost, name),
    publishSection(view, vhost, { queue: name }),
    moveSection(view, vhost, name),
    bindingsTo(view, vhost, "queue", name),
    section("What it is", about),
    dangers(view, vhost, name),
  );

  every(view, 1000, async () => {
    await lookForFlow(view.signal);
    const told = await get<Queue>(address, view.signal);
    if (view.signal.aborted) return;
    const stats = told.message_stats;
    const [rateIn, rateOut, rateAck] = [stats.publish_details.rate, stats.deliver_get_details.rate, stats.ack_details.rate];
    const hold = holdOfQueue(told, prefetchOf(told.consumer_details ?? []));
    setText(badge, hold.word);
    setClass(badge, `badge ${hold.tone}`);
    setText(why, hold.why);
    length.show(
      count(told.messages_ready),
      `ready, ${bytes(told.message_bytes_ready)}; ${count(told.messages_unacknowledged)} unacknowledged`,
    );
    into.show(rate(rateIn), `${count(stats.publish)} since the start`);
    out.show(rate(rateOut), `${rate(rateAck)} acknowledged, ${rate(stats.redeliver_details.rate)} redelivered`);
    const inQueue = told.millrace.time_in_queue;
    const oldest = told.millrace.oldest_message_age_ms;
    times.show(
      inQueue.count === 0 ? "–" : `${latency(inQueue.p50_us)} … ${latency(inQueue.p99_us)}`,
      `in queue: ${percentiles(inQueue)}; to acknowledge: ${percentiles(told.millrace.time_to_ack)}; ` +
        `oldest: ${oldest === null ? (told.messages_ready === 0 ? "none waits" : "on disk") : latency(oldest * 1000)}; ` +
        `consumers busy ${Math.round(100 * told.millrace.utilisation)} % of the time`,
    );
    const now = Date.now();
    waits.update(now, told.millrace.time_in_queue_buckets ?? []);
    holds.update(now, told.millrace.time_to_ack_buckets ?? []);
    const key = JSON.stringify([vhost, name]);
    lengths.update(record(`length ${key}`, now, [told.messages_ready, told.messages_unacknowledged]));
    rates.update(record(`rates ${key}`, now, [rateIn, rateOut, rateAck]));
    consumers.update(told.consumer_details ?? []);
    const expected = waitingFacts(told.millrace);
    if (expected.join() !== shownTheory) {
      shownTheory = expected.join();
      replace(theory, ...expected.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    }
    const list = facts(told);
    const now_shown = visible(list.map(([term, value]) => `${term}${value.textContent ?? ""}`).join());
    if (now_shown !== shownFacts) {
      shownFacts = now_shown;
      replace(about, ...list.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    }
  });
}
