// What users and virtual hosts may have and how fast they may publish.

import { get, path, put } from "../api.js";
import { add, h } from "../dom.js";
import { button, choice, field, folded, form, text } from "../form.js";
import { visible } from "../format.js";
import { nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { Table } from "../table.js";
import { every, section, View } from "../view.js";

interface Limits {
  user?: string;
  vhost?: string;
  value: Record<string, number>;
}

interface Limit {
  subject: string;
  name: string;
  value: number;
}

interface Kind {
  of: "user" | "vhost";
  title: string;
  subject: string; // the label of who is limited
  names: [value: string, label: string][];
}

const kRates: [string, string][] = [
  ["max-publish-rate", "messages a second, of all connections together"],
  ["max-publish-byte-rate", "bytes a second, of all connections together"],
];

const kUsers: Kind = {
  of: "user",
  title: "Limits of users",
  subject: "Limited user",
  names: [
    ["max-connections", "connections"],
    ["max-channels", "channels"],
    ...kRates,
    ["max-connection-publish-rate", "messages a second, of each connection"],
    ["max-connection-publish-byte-rate", "bytes a second, of each connection"],
  ],
};

const kVhosts: Kind = {
  of: "vhost",
  title: "Limits of virtual hosts",
  subject: "Limited vhost",
  names: [["max-connections", "connections"], ["max-queues", "queues"], ...kRates],
};

function limitSection(view: View, kind: Kind): HTMLElement {
  const address = (subject: string, name: string) => `${kind.of}-limits/${path(subject, name)}`;
  const words = new Map(kind.names);
  const load = async () => {
    const told = await get<Limits[]>(`${kind.of}-limits`, view.signal);
    const rows = told.flatMap((one) =>
      Object.entries(one.value).map(([name, value]) => ({ subject: one[kind.of] ?? "", name, value })),
    );
    table.update(rows);
  };
  const lift = async (limit: Limit) => {
    const removal = {
      title: "Lift this limit?",
      body: [h("p", {}, nameOf(limit.subject), ` has no bound on ${words.get(limit.name) ?? limit.name} then.`)],
      action: "Lift the limit",
      address: address(limit.subject, limit.name),
      done: "The limit is lifted.",
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<Limit>(
    kind.title,
    [
      { title: kind.of === "user" ? "User" : "Vhost", element: (limit) => nameOf(limit.subject) },
      { title: "At most", numeric: true, text: (limit) => limit.value.toLocaleString("en") },
      { title: "Of", text: (limit) => words.get(limit.name) ?? visible(limit.name) },
      { title: "Actions", element: (limit) => button(view, "Lift", () => lift(limit), "danger") },
    ],
    (limit) => JSON.stringify([limit.subject, limit.name]),
    "There is none.",
  );
  every(view, 5000, load);
  const subject = text("", { required: true });
  const name = choice(kind.names);
  const value = text("", { required: true, type: "number" });
  value.min = "0";
  const save = form(
    view,
    `Set the limit of the ${kind.of}`,
    async () => {
      await put(address(subject.value, name.value), { value: value.valueAsNumber });
      view.say(`The limit of ${visible(subject.value)} is set.`);
      await load();
    },
    field(kind.subject, subject),
    field(`What of the ${kind.of}`, name, "Who is ahead of a rate is not read until it is not; what is beyond a number is refused"),
    field(`At most, of the ${kind.of}`, value),
  );
  const element = section(kind.title, table.element);
  add(element, folded(`Set a limit of a ${kind.of}`, save));
  return element;
}

export function userLimitSection(view: View): HTMLElement {
  return limitSection(view, kUsers);
}

export function vhostLimitSection(view: View): HTMLElement {
  return limitSection(view, kVhosts);
}
