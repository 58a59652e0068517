// Permissions on topics: which routing keys a user may publish with and bind to, exchange by exchange.

import { get, path, put } from "../api.js";
import { add, h } from "../dom.js";
import { button, field, folded, form, text } from "../form.js";
import { visible } from "../format.js";
import { exchangeInAddress, nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { Table } from "../table.js";
import { every, section, View } from "../view.js";
import { vhostChoice } from "./vhosts.js";

interface TopicPermission {
  user: string;
  vhost: string;
  exchange: string;
  write: string;
  read: string;
}

export function topicSection(view: View): HTMLElement {
  const load = async () => table.update(await get<TopicPermission[]>("topic-permissions", view.signal));
  const drop = async (permission: TopicPermission) => {
    const removal = {
      title: "Take this topic permission away?",
      body: [h("p", {}, nameOf(permission.user), " may use every topic of ", nameOf(permission.exchange), " then, as far as its permissions go.")],
      action: "Take it away",
      address: `topic-permissions/${path(permission.vhost, permission.user, exchangeInAddress(permission.exchange))}`,
      done: "The topic permission is gone.",
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<TopicPermission>(
    "Topic permissions",
    [
      { title: "User", element: (permission) => nameOf(permission.user) },
      { title: "Vhost", element: (permission) => nameOf(permission.vhost) },
      { title: "Exchange", element: (permission) => nameOf(permission.exchange) },
      { title: "Write", text: (permission) => visible(permission.write) },
      { title: "Read", text: (permission) => visible(permission.read) },
      { title: "Actions", element: (permission) => button(view, "Take away", () => drop(permission), "danger") },
    ],
    (permission) => JSON.stringify([permission.user, permission.vhost, permission.exchange]),
    "There is none: every topic may be used.",
  );
  every(view, 5000, load);
  const user = text("", { required: true });
  const vhost = vhostChoice(view);
  const exchange = text("amq.topic", { required: true });
  const write = text(".*");
  const read = text(".*");
  const save = form(
    view,
    "Save the topic permission",
    async () => {
      await put(`topic-permissions/${path(vhost.value, user.value)}`, {
        exchange: exchange.value,
        write: write.value,
        read: read.value,
      });
      view.say("The topic permission is saved.");
      await load();
    },
    field("User of topics", user),
    field("Vhost of topics", vhost),
    field("Topic exchange", exchange),
    field("Keys to publish with", write, "Regular expression; {username}, {vhost} and {client_id} stand for what they say"),
    field("Keys to bind with", read),
  );
  const element = section("Topic permissions", table.element);
  add(element, folded("Add or change a topic permission", save));
  return element;
}
