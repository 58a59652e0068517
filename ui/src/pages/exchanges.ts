// All exchanges, and a form for a new one.

import { path, put } from "../api.js";
import { add } from "../dom.js";
import { area, check, choice, field, folded, form, jsonOf, text } from "../form.js";
import { rate, visible } from "../format.js";
import { list } from "../list.js";
import { link, nameOf } from "../names.js";
import { Exchange } from "../types.js";
import { heading, View } from "../view.js";
import { vhostChoice } from "./vhosts.js";

const kTypes: [string, string][] = [
  ["direct", "direct: by the routing key"],
  ["topic", "topic: by patterns of the routing key"],
  ["fanout", "fanout: to all that is bound"],
  ["headers", "headers: by the message's headers"],
  ["x-consistent-hash", "x-consistent-hash: spread by a hash, weighted"],
  ["x-modulus-hash", "x-modulus-hash: spread by a hash"],
  ["x-random", "x-random: to one, by chance"],
  ["x-recent-history", "x-recent-history: the latest to what is bound anew"],
  ["x-delayed-message", "x-delayed-message: after a time"],
  ["x-message-deduplication", "x-message-deduplication: once for each value of a header"],
];

export function exchanges(view: View): void {
  heading(view, "Exchanges");
  const shown = list<Exchange>(view, {
    caption: "Exchanges",
    address: "exchanges",
    ask: ["name", "vhost", "type", "durable", "internal", "policy", "message_stats"],
    key: (exchange) => JSON.stringify([exchange.vhost, exchange.name]),
    sorting: { by: "name", reverse: false },
    whenEmpty: "There is no such exchange.",
    columns: [
      { title: "Name", sort: "name", element: (exchange) => link(exchange.name, "exchanges", exchange.vhost, exchange.name) },
      { title: "Type", sort: "type", text: (exchange) => visible(exchange.type) },
      {
        title: "In",
        sort: "message_stats.publish_in_details.rate",
        numeric: true,
        text: (exchange) => rate(exchange.message_stats.publish_in_details.rate),
      },
      {
        title: "Out",
        sort: "message_stats.publish_out_details.rate",
        numeric: true,
        text: (exchange) => rate(exchange.message_stats.publish_out_details.rate),
      },
      { title: "Vhost", sort: "vhost", element: (exchange) => nameOf(exchange.vhost) },
      {
        title: "Features",
        minor: true,
        text: (exchange) => [exchange.durable ? "durable" : "transient", exchange.internal ? "internal" : ""].join(" ").trim(),
      },
      { title: "Policy", minor: true, text: (exchange) => visible(exchange.policy ?? "") },
    ],
  });
  const vhost = vhostChoice(view);
  const name = text("", { required: true });
  const type = choice(kTypes);
  const durable = check("Durable: it outlives a restart", true);
  const internal = check("Internal: only other exchanges publish to it");
  const more = area("", 2);
  const declare = form(
    view,
    "Add the exchange",
    async () => {
      await put(`exchanges/${path(vhost.value, name.value)}`, {
        type: type.value,
        durable: durable.input.checked,
        internal: internal.input.checked,
        auto_delete: false,
        arguments: jsonOf(more, "Arguments"),
      });
      view.say(`The exchange ${visible(name.value)} is there.`);
      name.value = "";
      shown.refresh();
    },
    field("Vhost", vhost),
    field("Name", name),
    field("Type", type),
    durable.element,
    internal.element,
    field("Arguments", more, 'JSON, for example {"alternate-exchange": "unrouted"}'),
  );
  add(view.root, shown.element, folded("Add an exchange", declare));
}
