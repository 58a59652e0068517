// The channels of connections.

import { get, path } from "../api.js";
import { add } from "../dom.js";
import { count, rate } from "../format.js";
import { list } from "../list.js";
import { nameOf } from "../names.js";
import { Column, Table } from "../table.js";
import { Channel } from "../types.js";
import { every, heading, section, View } from "../view.js";

const kColumns: Column<Channel>[] = [
  { title: "Channel", sort: "name", element: (channel) => nameOf(channel.name) },
  { title: "User", sort: "user", element: (channel) => nameOf(channel.user) },
  {
    title: "Mode",
    text: (channel) => (channel.transactional ? "transactions" : channel.confirm ? "confirms" : "plain"),
  },
  { title: "Consumers", sort: "consumer_count", numeric: true, text: (channel) => count(channel.consumer_count) },
  {
    title: "Unacked",
    sort: "messages_unacknowledged",
    numeric: true,
    text: (channel) => count(channel.messages_unacknowledged),
  },
  { title: "Published", numeric: true, text: (channel) => rate(channel.message_stats.publish_details.rate) },
  { title: "Delivered", numeric: true, text: (channel) => rate(channel.message_stats.deliver_get_details.rate) },
  {
    title: "Prefetch",
    numeric: true,
    text: (channel) =>
      channel.global_prefetch_count > 0
        ? `${count(channel.global_prefetch_count)} of the channel`
        : channel.prefetch_count > 0
          ? count(channel.prefetch_count)
          : "no limit",
  },
  { title: "Vhost", minor: true, sort: "vhost", element: (channel) => nameOf(channel.vhost) },
];

const kAsk = [
  "name",
  "user",
  "vhost",
  "confirm",
  "transactional",
  "consumer_count",
  "messages_unacknowledged",
  "prefetch_count",
  "global_prefetch_count",
  "message_stats",
];

export function channels(view: View): void {
  heading(view, "Channels");
  const shown = list<Channel>(view, {
    caption: "Channels",
    address: "channels",
    ask: kAsk,
    key: (channel) => channel.name,
    sorting: { by: "name", reverse: false },
    whenEmpty: "There is none, or none that you may see.",
    columns: kColumns,
  });
  add(view.root, shown.element);
}

export function channelsOf(view: View, connection: string): HTMLElement {
  const table = new Table<Channel>("Its channels", kColumns, (channel) => channel.name, "It has none.");
  every(view, 1000, async () => {
    table.update(await get<Channel[]>(`connections/${path(connection)}/channels?columns=${kAsk.join(",")}`, view.signal));
  });
  return section("Channels", table.element);
}
