// The virtual hosts that the user may see.

import { get, path, put } from "../api.js";
import { add, h, replace } from "../dom.js";
import { button, field, folded, form, text } from "../form.js";
import { count, visible } from "../format.js";
import { nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { Table } from "../table.js";
import { Vhost } from "../types.js";
import { every, section, View } from "../view.js";

export function vhostChoice(view: View): HTMLSelectElement {
  const select = h("select", { required: true });
  get<Vhost[]>("vhosts?columns=name", view.signal).then(
    (vhosts) => replace(select, ...vhosts.map(({ name }) => h("option", { value: name, selected: name === "/" }, visible(name)))),
    (error: unknown) => view.complain(error),
  );
  return select;
}

export function vhostSection(view: View): HTMLElement {
  const load = async () => table.update(await get<Vhost[]>("vhosts?columns=name,description,tags,messages", view.signal));
  const drop = async (name: string) => {
    const removal = {
      title: "Delete this vhost?",
      body: [h("p", {}, "All its queues with their messages, exchanges, bindings, policies and permissions are gone then: ", nameOf(name))],
      action: "Delete the vhost",
      typeName: name,
      address: `vhosts/${path(name)}`,
      done: `The vhost ${visible(name)} is deleted.`,
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<Vhost>(
    "Virtual hosts",
    [
      { title: "Name", element: (vhost) => nameOf(vhost.name) },
      { title: "Description", text: (vhost) => visible(vhost.description) },
      { title: "Messages", numeric: true, text: (vhost) => count(vhost.messages) },
      {
        title: "Actions",
        element: (vhost) => button(view, "Delete", () => drop(vhost.name), "danger"),
      },
    ],
    (vhost) => vhost.name,
    "There is none.",
  );
  every(view, 5000, load);
  const name = text("", { required: true });
  const description = text();
  const declare = form(
    view,
    "Add the vhost",
    async () => {
      await put(`vhosts/${path(name.value)}`, { description: description.value });
      view.say(`The vhost ${visible(name.value)} is there. Give its users permissions below.`);
      name.value = "";
      await load();
    },
    field("Name", name),
    field("Description", description),
  );
  const element = section("Virtual hosts", table.element);
  add(element, folded("Add a vhost", declare));
  return element;
}
