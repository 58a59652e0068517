// The node at a glance.

import { alarm } from "../alarm.js";
import { get, query } from "../api.js";
import { Chart } from "../chart.js";
import { add, h, setText } from "../dom.js";
import { Figure } from "../figure.js";
import { bytes, count, duration, rate, some } from "../format.js";
import { HeatMap } from "../heatmap.js";
import { record } from "../history.js";
import { way } from "../names.js";
import { has } from "../session.js";
import { Node, Overview, Queue } from "../types.js";
import { every, heading, section, View } from "../view.js";

const kHeatRows = 12;

export function overview(view: View): void {
  heading(view, "Overview");
  const messages = new Figure("Messages");
  const publishing = new Figure("Published");
  const delivering = new Figure("Delivered");
  const memory = new Figure("Memory");
  const disk = new Figure("Free disk space");
  const clients = new Figure("Connections");
  const things = new Figure("Queues");
  const node = new Figure("Node");
  const lengths = new Chart("Messages", ["ready", "unacknowledged"], count);
  const rates = new Chart("Rates", ["published", "delivered", "acknowledged"], rate);
  const heat = new HeatMap("Their lengths over the last minutes");
  const alarms = h("p", {}, "");
  const ports = h("p", { class: "told" });
  add(
    view.root,
    h("div", { class: "figures" }, ...[messages, publishing, delivering, clients, things, memory, disk, node].map((f) => f.element)),
    alarms,
    h("div", { class: "charts" }, lengths.element, has("monitoring") && rates.element),
    section(`The ${kHeatRows} longest queues`, heat.element),
    ports,
  );

  const showNode = async () => {
    const [one] = await get<Node[]>("nodes", view.signal);
    if (!one) return;
    memory.show(bytes(one.mem_used), `publishers wait when messages take ${bytes(one.mem_limit)} of it`, one.mem_alarm ? "bad" : "");
    disk.show(bytes(one.disk_free), `publishers wait below ${bytes(one.disk_free_limit)}`, one.disk_free_alarm ? "bad" : "");
    node.show(some(one.processors, "shard"), `up for ${duration(one.uptime)}, ${count(one.fd_used)} of ${count(one.fd_total)} files open`);
  };
  const showQueues = async (now: number) => {
    const asked = query({
      page: 1,
      page_size: kHeatRows,
      sort: "messages",
      sort_reverse: true,
      columns: "name,vhost,messages",
    });
    const { items } = await get<{ items: Queue[] }>(`queues?${asked}`, view.signal);
    const rows = items.map((queue) => ({
      name: queue.name,
      to: way("queues", queue.vhost, queue.name),
      samples: record(`messages ${JSON.stringify([queue.vhost, queue.name])}`, now, [queue.messages]),
    }));
    heat.update(rows, now, count);
  };
  every(view, 1000, async () => {
    const told = await get<Overview>("overview", view.signal);
    if (view.signal.aborted) return;
    const { queue_totals: queues, object_totals: objects, message_stats: stats } = told;
    const now = Date.now();
    messages.show(count(queues.messages), `${count(queues.messages_ready)} ready, ${count(queues.messages_unacknowledged)} unacknowledged`);
    const all = has("monitoring");
    const [into, out, acked] = [stats.publish_details.rate, stats.deliver_get_details.rate, stats.ack_details.rate];
    publishing.show(all ? rate(into) : "not shown", all ? `${count(stats.publish)} since the start` : "for the tag monitoring");
    delivering.show(all ? rate(out) : "not shown", all ? `${rate(acked)} acknowledged` : "for the tag monitoring");
    clients.show(count(objects.connections), `${some(objects.channels, "channel")}, ${some(objects.consumers, "consumer")}`);
    things.show(count(objects.queues), some(objects.exchanges, "exchange"));
    lengths.update(record("node lengths", now, [queues.messages_ready, queues.messages_unacknowledged]));
    if (all) rates.update(record("node rates", now, [into, out, acked]));
    setText(alarms, alarm() === null ? "No alarm: publishers are not held back." : "");
    setText(
      ports,
      `Node ${told.node}, answering as ${told.product_name} ${told.product_version}, listening: ` +
        told.listeners.map((one) => `${one.protocol} ${one.ip_address}:${one.port}`).join(", "),
    );
    await showQueues(now);
    if (all) await showNode();
    else for (const figure of [memory, disk, node]) figure.show("not shown", "for the tag monitoring");
  });
}
