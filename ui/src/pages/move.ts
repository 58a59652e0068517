// Retries dead letters, or brings messages elsewhere. The broker moves them: each is published to where it goes, and
// taken from here when that is confirmed. This page asks for some at a time, so that one sees how far it is and can stop.

import { get, path, post } from "../api.js";
import { h, setText } from "../dom.js";
import { button, choice, field, form, text } from "../form.js";
import { count, some, visible } from "../format.js";
import { section, View } from "../view.js";
import { Queue } from "../types.js";

const kBatch = 200;
const kLargestBatch = 10_000;

interface Moved {
  moved: number;
  kept: number;
  reason: string;
}

export function moveSection(view: View, vhost: string, name: string): HTMLElement {
  const where = choice([
    ["origin", "back to the queue where each of them died (x-death)"],
    ["queue", "to another queue"],
  ]);
  const names = h("datalist", { id: "move-queues" });
  const to = text("", { list: "move-queues" });
  const toField = field("Queue", to);
  toField.hidden = true;
  const most = text("", { type: "number" });
  most.min = "1";
  const progress = h("progress", { hidden: true, "aria-label": "Messages moved" });
  const told = h("p", { class: "told", role: "status" });
  let stopped = true;
  const stop = button(view, "Stop", async () => {
    stopped = true;
    await Promise.resolve();
  });
  stop.hidden = true;

  where.addEventListener("change", () => {
    toField.hidden = where.value !== "queue";
    to.required = where.value === "queue";
  });
  to.addEventListener("focus", () => {
    get<Queue[]>(`queues/${path(vhost)}?columns=name&page=1&page_size=500`, view.signal).then(
      (found) => {
        const items = (found as unknown as { items: Queue[] }).items;
        names.replaceChildren(...items.map((queue) => h("option", { value: queue.name })));
      },
      () => undefined, // it can be typed as well
    );
  });

  const move = async () => {
    const { messages_ready: ready } = await get<Queue>(`queues/${path(vhost, name)}?columns=messages_ready`, view.signal);
    const wanted = Math.min(ready, most.value === "" ? ready : Math.max(1, Number(most.value) || 1));
    const target = where.value === "queue" ? { destination: to.value } : { to_origin: true };
    let moved = 0;
    let kept = 0;
    let reason = "";
    progress.max = Math.max(1, wanted);
    progress.value = 0;
    while (moved + kept < wanted && !stopped && !view.signal.aborted) {
      // Those that had to stay are the first again.
      const asked = Math.min(kLargestBatch, kept + Math.min(kBatch, wanted - moved - kept));
      const done = await post<Moved>(`queues/${path(vhost, name)}/move`, { ...target, count: asked });
      if (!done) break;
      moved += done.moved;
      kept = done.kept;
      if (done.reason !== "") reason = done.reason;
      progress.value = moved;
      setText(told, `${count(moved)} of ${count(wanted)} moved`);
      if (done.moved === 0) break;
    }
    const stayed = kept > 0 ? ` ${count(kept)} stayed here: ${visible(reason)}.` : "";
    const end = `${some(moved, "message")} moved.${stopped ? " Stopped." : ""}${stayed}`;
    setText(told, end);
    view.say(end);
  };
  const start = form(
    view,
    "Move messages",
    async () => {
      stopped = false;
      stop.hidden = false;
      progress.hidden = false;
      try {
        await move();
      } finally {
        stopped = true;
        stop.hidden = true;
        progress.hidden = true;
      }
    },
    field("Where", where),
    toField,
    field("How many at most", most, "Empty: all that are ready now"),
  );
  return section(
    "Retry or move messages",
    h("p", { class: "told" }, "A message leaves this queue only when the other one has it. Should the broker die between, it is in both."),
    names,
    start,
    h("p", { class: "buttons" }, progress, stop),
    told,
  );
}
