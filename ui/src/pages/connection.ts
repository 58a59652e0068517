// One connection, and how to end it.

import { get, path, remove } from "../api.js";
import { confirm } from "../dialog.js";
import { add, h, replace } from "../dom.js";
import { stateOf } from "../flow.js";
import { button, field, text } from "../form.js";
import { bytes, time, visible } from "../format.js";
import { nameOf, way } from "../names.js";
import { Connection } from "../types.js";
import { every, heading, section, View } from "../view.js";
import { channelsOf } from "./channels.js";

export function connection(view: View, [name = ""]: string[]): void {
  heading(view, "Connection ", nameOf(name));
  const address = `connections/${path(name)}`;
  const about = h("dl", { class: "facts" });
  const reason = text("Closed by the operator");
  const close = button(
    view,
    "Close the connection",
    async () => {
      const sure = await confirm({
        title: "Close this connection?",
        body: [h("p", {}, "The client ", nameOf(name), " is told the reason and cut off. What it has not acknowledged goes back to its queues.")],
        action: "Close the connection",
      });
      if (!sure) return;
      // A header carries no more.
      const plain = reason.value.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
      await view.leave(way("connections"), () => remove(address, { "X-Reason": plain }));
    },
    "danger",
  );
  let shown = "";
  every(view, 2000, async () => {
    const told = await get<Connection>(address, view.signal);
    const now = JSON.stringify(told);
    if (view.signal.aborted || now === shown) return;
    shown = now;
    const facts: [string, HTMLElement | string][] = [
      ["State", told.state === "blocked" ? "held back: it has published, and memory or disk space is low" : stateOf(told.state)],
      ["User", nameOf(told.user)],
      ["Vhost", nameOf(told.vhost)],
      ["Its own name", visible(told.user_provided_name) || "none"],
      ["Protocol", visible(told.protocol)],
      ["Logged in by", visible(told.auth_mechanism)],
      ["Encrypted", told.ssl ? "yes" : "no"],
      ["Since", time(told.connected_at)],
      ["Heartbeat", told.timeout === 0 ? "none" : `${told.timeout} s`],
      ["Largest frame", bytes(told.frame_max)],
    ];
    replace(about, ...facts.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
  });
  add(
    view.root,
    section("What it is", about),
    channelsOf(view, name),
    section("Close", field("Reason, told to the client", reason), h("p", { class: "buttons" }, close)),
  );
}
