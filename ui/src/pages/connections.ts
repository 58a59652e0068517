// Who is connected.

import { add } from "../dom.js";
import { stateOf } from "../flow.js";
import { bytes, count, time, visible } from "../format.js";
import { list } from "../list.js";
import { link, nameOf } from "../names.js";
import { Connection } from "../types.js";
import { heading, View } from "../view.js";

export function connections(view: View): void {
  heading(view, "Connections");
  const shown = list<Connection>(view, {
    caption: "Connections",
    address: "connections",
    ask: ["name", "user", "user_provided_name", "vhost", "state", "protocol", "channels", "connected_at", "recv_oct_details", "send_oct_details"],
    key: (connection) => connection.name,
    sorting: { by: "name", reverse: false },
    whenEmpty: "Nobody is connected, or nobody whom you may see.",
    columns: [
      { title: "From → to", sort: "name", element: (connection) => link(connection.name, "connections", connection.name) },
      { title: "Its own name", sort: "user_provided_name", text: (connection) => visible(connection.user_provided_name) },
      { title: "User", sort: "user", element: (connection) => nameOf(connection.user) },
      {
        title: "State",
        sort: "state",
        text: (connection) => stateOf(connection.state),
        tone: (connection) => `badge ${connection.state === "blocked" ? "bad" : connection.state === "flow" ? "warn" : "good"}`,
      },
      { title: "Channels", sort: "channels", numeric: true, text: (connection) => count(connection.channels) },
      {
        title: "From client",
        sort: "recv_oct_details.rate",
        numeric: true,
        text: (connection) => `${bytes(connection.recv_oct_details.rate)}/s`,
      },
      {
        title: "To client",
        sort: "send_oct_details.rate",
        numeric: true,
        text: (connection) => `${bytes(connection.send_oct_details.rate)}/s`,
      },
      { title: "Vhost", minor: true, sort: "vhost", element: (connection) => nameOf(connection.vhost) },
      { title: "Protocol", minor: true, text: (connection) => visible(connection.protocol) },
      { title: "Since", minor: true, sort: "connected_at", text: (connection) => time(connection.connected_at) },
    ],
  });
  add(view.root, shown.element);
}
