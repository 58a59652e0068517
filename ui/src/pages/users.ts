// Users, what they may do and how much of it, and virtual hosts.

import { get, path, put } from "../api.js";
import { add, h } from "../dom.js";
import { button, field, folded, form, text } from "../form.js";
import { visible } from "../format.js";
import { nameOf } from "../names.js";
import { removeAfterAsking } from "../removal.js";
import { user as me } from "../session.js";
import { Table } from "../table.js";
import { Permission, UserItem } from "../types.js";
import { every, heading, section, View } from "../view.js";
import { userLimitSection, vhostLimitSection } from "./limits.js";
import { topicSection } from "./topics.js";
import { vhostChoice, vhostSection } from "./vhosts.js";

function userSection(view: View): HTMLElement {
  const load = async () => table.update(await get<UserItem[]>("users?columns=name,tags", view.signal));
  const drop = async (name: string) => {
    const self = name === me.name ? " This is you: you are logged out by it." : "";
    const removal = {
      title: "Delete this user?",
      body: [h("p", {}, "The user ", nameOf(name), ` cannot log in any more, and its permissions are gone.${self}`)],
      action: "Delete the user",
      typeName: name,
      address: `users/${path(name)}`,
      done: `The user ${visible(name)} is deleted.`,
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<UserItem>(
    "Users",
    [
      { title: "Name", element: (user) => nameOf(user.name) },
      { title: "Tags", text: (user) => visible(user.tags.join(", ")) },
      { title: "Actions", element: (user) => button(view, "Delete", () => drop(user.name), "danger") },
    ],
    (user) => user.name,
    "There is none.",
  );
  every(view, 5000, load);
  const name = text("", { required: true });
  const password = h("input", { type: "password", autocomplete: "new-password", required: true });
  const tags = text();
  const save = form(
    view,
    "Save the user",
    async () => {
      await put(`users/${path(name.value)}`, { password: password.value, tags: tags.value });
      view.say(`The user ${visible(name.value)} is saved. Without a permission it can enter no vhost.`);
      name.value = password.value = tags.value = "";
      await load();
    },
    field("Name", name, "One that is there gets the password and the tags that you give here"),
    field("Password", password),
    field("Tags", tags, "Any of administrator, monitoring, policymaker, management, with commas; none: no access to this page"),
  );
  const element = section("Users", table.element);
  add(element, folded("Add or change a user", save));
  return element;
}

function permissionSection(view: View): HTMLElement {
  const load = async () => table.update(await get<Permission[]>("permissions", view.signal));
  const drop = async (permission: Permission) => {
    const removal = {
      title: "Take this permission away?",
      body: [h("p", {}, nameOf(permission.user), " cannot enter the vhost ", nameOf(permission.vhost), " any more.")],
      action: "Take it away",
      address: `permissions/${path(permission.vhost, permission.user)}`,
      done: "The permission is gone.",
    };
    await removeAfterAsking(view, removal, load);
  };
  const table = new Table<Permission>(
    "Permissions",
    [
      { title: "User", element: (permission) => nameOf(permission.user) },
      { title: "Vhost", element: (permission) => nameOf(permission.vhost) },
      { title: "Configure", text: (permission) => visible(permission.configure) },
      { title: "Write", text: (permission) => visible(permission.write) },
      { title: "Read", text: (permission) => visible(permission.read) },
      { title: "Actions", element: (permission) => button(view, "Take away", () => drop(permission), "danger") },
    ],
    (permission) => JSON.stringify([permission.user, permission.vhost]),
    "There is none.",
  );
  every(view, 5000, load);
  const user = text("", { required: true });
  const vhost = vhostChoice(view);
  const configure = text(".*");
  const write = text(".*");
  const read = text(".*");
  const save = form(
    view,
    "Save the permission",
    async () => {
      await put(`permissions/${path(vhost.value, user.value)}`, {
        configure: configure.value,
        write: write.value,
        read: read.value,
      });
      view.say("The permission is saved.");
      await load();
    },
    field("User", user),
    field("Vhost", vhost),
    field("Configure", configure, "Regular expression of the names that it may declare and delete; empty: none"),
    field("Write", write, "… publish to and bind"),
    field("Read", read, "… consume, get and purge"),
  );
  const element = section("Permissions", table.element);
  add(element, folded("Add or change a permission", save));
  return element;
}

export function users(view: View): void {
  heading(view, "Users, permissions, virtual hosts");
  add(
    view.root,
    userSection(view),
    permissionSection(view),
    topicSection(view),
    userLimitSection(view),
    vhostSection(view),
    vhostLimitSection(view),
  );
}
