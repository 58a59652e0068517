// The bindings of a queue or an exchange: what leads to it, and what it leads to.

import { get, path, post } from "../api.js";
import { add, h } from "../dom.js";
import { area, button, choice, field, folded, form, jsonOf, text } from "../form.js";
import { json, visible } from "../format.js";
import { exchangeInAddress, link, nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { Table } from "../table.js";
import { Binding } from "../types.js";
import { every, section, View } from "../view.js";

function addressOf(binding: Binding): string {
  const kind = binding.destination_type === "queue" ? "q" : "e";
  return `bindings/${path(binding.vhost, "e", exchangeInAddress(binding.source), kind, binding.destination, binding.properties_key)}`;
}

function unbind(view: View, binding: Binding, then: () => Promise<void>): HTMLElement | string {
  // Every queue is bound to the default exchange by its name, for good.
  if (binding.source === "") return "always there";
  return button(
    view,
    "Unbind",
    async () => {
      const removal = {
        title: "Remove this binding?",
        body: [
          h("p", {}, "Messages from ", nameOf(binding.source), " no longer go to ", nameOf(binding.destination), " by the key ", h("bdi", { class: "name" }, visible(binding.routing_key)), "."),
        ],
        action: "Remove the binding",
        address: addressOf(binding),
        done: "The binding is gone.",
      };
      await removeAfterAsking(view, removal, then);
    },
    "danger",
  );
}

function bindingTable(view: View, caption: string, which: "from" | "to", reload: () => Promise<void>): Table<Binding> {
  const place = (kind: "queue" | "exchange", vhost: string, name: string) => link(name, kind === "queue" ? "queues" : "exchanges", vhost, name);
  return new Table<Binding>(
    caption,
    [
      which === "to"
        ? { title: "From exchange", element: (binding) => (binding.source === "" ? nameOf("") : place("exchange", binding.vhost, binding.source)) }
        : { title: "To", element: (binding) => place(binding.destination_type, binding.vhost, binding.destination) },
      { title: "Routing key", text: (binding) => visible(binding.routing_key) },
      { title: "Arguments", minor: true, text: (binding) => json(binding.arguments) },
      { title: "Actions", element: (binding) => unbind(view, binding, reload) },
    ],
    (binding) => JSON.stringify([binding.source, binding.destination_type, binding.destination, binding.properties_key]),
    "None.",
  );
}

// The other end is asked for in `ends`; `target` says where a binding goes by what they hold.
function bindForm(view: View, target: () => string, load: () => Promise<void>, ...ends: HTMLElement[]): HTMLElement {
  const key = text();
  const more = area("", 2);
  return form(
    view,
    "Bind",
    async () => {
      await post(target(), { routing_key: key.value, arguments: jsonOf(more, "Arguments") });
      view.say("Bound.");
      await load();
    },
    ...ends,
    field("Routing key", key),
    field("Arguments", more, "JSON, for headers exchanges"),
  );
}

export function bindingsTo(view: View, vhost: string, kind: "queue" | "exchange", name: string): HTMLElement {
  const address =
    kind === "queue" ? `queues/${path(vhost, name)}/bindings` : `exchanges/${path(vhost, exchangeInAddress(name))}/bindings/destination`;
  const load = async () => table.update(await get<Binding[]>(address, view.signal));
  const table = bindingTable(view, `What leads to this ${kind}`, "to", load);
  every(view, 3000, load);
  const source = text("", { required: true });
  const target = () => `bindings/${path(vhost, "e", source.value, kind === "queue" ? "q" : "e", name)}`;
  const bind = bindForm(view, target, load, field("From exchange", source));
  const element = section(kind === "queue" ? "Bindings" : "Bindings to it", table.element);
  add(element, folded("Add a binding", bind));
  return element;
}

export function bindingsFrom(view: View, vhost: string, name: string, drawn: (bindings: Binding[]) => void): HTMLElement {
  const address = `exchanges/${path(vhost, exchangeInAddress(name))}/bindings/source`;
  const load = async () => {
    const bindings = await get<Binding[]>(address, view.signal);
    if (view.signal.aborted) return;
    table.update(bindings);
    drawn(bindings);
  };
  const table = bindingTable(view, "What this exchange leads to", "from", load);
  every(view, 3000, load);
  const kind = choice([
    ["q", "queue"],
    ["e", "exchange"],
  ]);
  const to = text("", { required: true });
  const target = () => `bindings/${path(vhost, "e", name, kind.value, to.value)}`;
  const bind = bindForm(view, target, load, field("To a", kind), field("Its name", to));
  const element = section("Bindings from it", table.element);
  if (name !== "") add(element, folded("Add a binding", bind));
  return element;
}
