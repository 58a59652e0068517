// Policies, and those of operators.

import { get, path, put } from "../api.js";
import { add, h } from "../dom.js";
import { area, button, choice, field, folded, form, jsonOf, text } from "../form.js";
import { count, json, visible } from "../format.js";
import { nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { has } from "../session.js";
import { Table } from "../table.js";
import { Policy } from "../types.js";
import { every, heading, section, View } from "../view.js";
import { vhostChoice } from "./vhosts.js";

interface Kind {
  title: string;
  address: string;
  mayChange: boolean;
}

function policySection(view: View, kind: Kind): HTMLElement {
  const load = async () => table.update(await get<Policy[]>(kind.address, view.signal));
  const drop = async (policy: Policy) => {
    const removal = {
      title: "Delete this policy?",
      body: [h("p", {}, "The queues and exchanges under ", nameOf(policy.name), " go by the next policy that fits them, or none.")],
      action: "Delete the policy",
      typeName: policy.name,
      address: `${kind.address}/${path(policy.vhost, policy.name)}`,
      done: "The policy is deleted.",
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<Policy>(
    kind.title,
    [
      { title: "Name", element: (policy) => nameOf(policy.name) },
      { title: "Vhost", element: (policy) => nameOf(policy.vhost) },
      { title: "Pattern", text: (policy) => visible(policy.pattern) },
      { title: "Applies to", text: (policy) => visible(policy["apply-to"]) },
      { title: "Definition", text: (policy) => json(policy.definition) },
      { title: "Priority", numeric: true, text: (policy) => count(policy.priority) },
      { title: "Actions", element: (policy) => kind.mayChange && button(view, "Delete", () => drop(policy), "danger") },
    ],
    (policy) => JSON.stringify([policy.vhost, policy.name]),
    "There is none.",
  );
  every(view, 5000, load);
  const element = section(kind.title, table.element);
  if (!kind.mayChange) return element;
  const vhost = vhostChoice(view);
  const name = text("", { required: true });
  const pattern = text("", { required: true });
  const apply = choice([
    ["queues", "queues"],
    ["exchanges", "exchanges"],
    ["all", "queues and exchanges"],
  ]);
  const priority = text("0", { type: "number" });
  const definition = area("", 3);
  const save = form(
    view,
    "Save the policy",
    async () => {
      await put(`${kind.address}/${path(vhost.value, name.value)}`, {
        pattern: pattern.value,
        "apply-to": apply.value,
        priority: Number(priority.value),
        definition: jsonOf(definition, "Definition"),
      });
      view.say(`The policy ${visible(name.value)} is saved.`);
      await load();
    },
    field("Vhost", vhost),
    field("Name", name),
    field("Pattern", pattern, "Regular expression of names: ^jobs\\."),
    field("Applies to", apply),
    field("Definition", definition, 'JSON, for example {"max-length": 100000, "dead-letter-exchange": "failed"}'),
    field("Priority", priority, "Of several that fit a name, the highest counts"),
  );
  add(element, folded("Add or change one", save));
  return element;
}

export function policies(view: View): void {
  heading(view, "Policies");
  add(
    view.root,
    policySection(view, { title: "Policies", address: "policies", mayChange: has("policymaker") }),
    policySection(view, { title: "Operator policies", address: "operator-policies", mayChange: has("administrator") }),
  );
}
