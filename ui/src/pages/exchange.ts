// One exchange: where it leads, as a picture and as a table.

import { get, path, remove } from "../api.js";
import { confirm } from "../dialog.js";
import { add, h, replace, svg } from "../dom.js";
import { button } from "../form.js";
import { json, visible } from "../format.js";
import { exchangeInAddress, nameOf, way } from "../names.js";
import { picture } from "../picture.js";
import { Exchange } from "../types.js";
import { every, heading, section, View } from "../view.js";
import { bindingsFrom, bindingsTo } from "./bindings.js";
import { publishSection } from "./messages.js";

export function exchange(view: View, [vhost = "", name = ""]: string[]): void {
  heading(view, "Exchange ", nameOf(name));
  const address = `exchanges/${path(vhost, exchangeInAddress(name))}`;
  const about = h("p", { class: "told" });
  const drawing = svg("svg", { class: "picture", role: "group", "aria-label": "The bindings as a picture; the table below says the same" });
  let drawn = "";
  const from = bindingsFrom(view, vhost, name, (bindings) => {
    // Anew only when it changed: a link in it may have the focus.
    const now = JSON.stringify(bindings);
    if (now === drawn) return;
    drawn = now;
    picture(drawing, vhost, name, bindings);
  });
  add(
    view.root,
    about,
    section("Picture", h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Picture of the bindings" }, drawing)),
    from,
    name !== "" && bindingsTo(view, vhost, "exchange", name),
    publishSection(view, vhost, { exchange: name }),
  );
  every(view, 5000, async () => {
    const told = await get<Exchange>(address, view.signal);
    const words = [
      told.type,
      told.durable ? "durable" : "transient",
      told.internal ? "internal" : "",
      told.auto_delete ? "deleted with its last binding" : "",
      `vhost ${told.vhost}`,
      told.policy === null ? "" : `policy ${told.policy}`,
      Object.keys(told.arguments).length > 0 ? json(told.arguments) : "",
    ];
    replace(about, visible(words.filter((word) => word !== "").join(", ")));
  });
  // The broker keeps those that every vhost has.
  if (name === "" || name.startsWith("amq.")) return;
  const drop = button(
    view,
    "Delete",
    async () => {
      const sure = await confirm({
        title: "Delete this exchange?",
        body: [h("p", {}, "The exchange ", nameOf(name), " is gone then, with its bindings. Who publishes to it is refused.")],
        action: "Delete the exchange",
        typeName: name,
      });
      if (!sure) return;
      await view.leave(way("exchanges"), () => remove(address));
    },
    "danger",
  );
  add(view.root, section("Delete", h("p", { class: "buttons" }, drop)));
}
