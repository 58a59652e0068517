// All that is declared, as a file: out and in.

import { getText, post } from "../api.js";
import { confirm } from "../dialog.js";
import { add, h } from "../dom.js";
import { button, field, form } from "../form.js";
import { bytes, count, visible } from "../format.js";
import { heading, section, View } from "../view.js";

const kKinds = ["users", "vhosts", "permissions", "topic_permissions", "policies", "exchanges", "queues", "bindings"];

async function save(): Promise<void> {
  const content = await getText("definitions");
  const address = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 10);
  h("a", { href: address, download: `millrace-definitions-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function summary(content: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw new Error("The file is not JSON. Choose one that was exported from Millrace or RabbitMQ.");
  }
  const kinds = parsed as Record<string, unknown>;
  const found = kKinds.flatMap((kind) => {
    const list = kinds[kind];
    return Array.isArray(list) ? [`${count(list.length)} ${kind.replace("_", " ")}`] : [];
  });
  if (found.length === 0) throw new Error("There are no definitions in this file. Choose one that was exported from Millrace or RabbitMQ.");
  return found.join(", ");
}

export function definitions(view: View): void {
  heading(view, "Definitions");
  const file = h("input", { type: "file", accept: ".json,application/json", required: true });
  const load = form(
    view,
    "Import",
    async () => {
      const chosen = file.files?.[0];
      if (!chosen) throw new Error("Choose a file first.");
      const content = await chosen.text();
      const sure = await confirm({
        title: "Import these definitions?",
        body: [
          h("p", {}, `${visible(chosen.name)} (${bytes(chosen.size)}) has ${summary(content)}.`),
          h("p", {}, "What is of the same name here is changed to what the file says. Nothing is deleted."),
        ],
        action: "Import",
      });
      if (!sure) return;
      await post("definitions", content);
      view.say("Imported.");
    },
    field("File", file, "Exported from Millrace or RabbitMQ"),
  );
  add(
    view.root,
    section(
      "Export",
      h("p", {}, "Users with the hashes of their passwords, vhosts, permissions, policies, exchanges, queues and bindings; no messages. Keep the file where others cannot read it."),
      h("p", { class: "buttons" }, button(view, "Export", save)),
    ),
    section("Import", load),
  );
}
