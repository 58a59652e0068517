// Following messages through exchange, queue, delivery and acknowledgement. What is looked for is looked for until it is
// stopped or the page is left; the broker forgets a trace that nobody reads by itself.

import { get, post, query, remove } from "../api.js";
import { add, h, setText } from "../dom.js";
import { button, choice, field, form, text } from "../form.js";
import { count, visible } from "../format.js";
import { nameOf } from "../names.js";
import { Table } from "../table.js";
import { TraceEvent, TraceRead } from "../types.js";
import { every, heading, section, View } from "../view.js";

const kShown = 500; // steps; the oldest go
const kWhatToFollow: [string, string][] = [
  ["routing_key", "routing key (as a topic binding: * is a word, # any number)"],
  ["message_id", "message id"],
  ["correlation_id", "correlation id"],
];

interface Step {
  number: number;
  event: TraceEvent;
}

function timeOf(us: number): string {
  const date = new Date(Math.floor(us / 1000));
  const part = (value: number, digits: number) => String(value).padStart(digits, "0");
  const second = `${part(date.getHours(), 2)}:${part(date.getMinutes(), 2)}:${part(date.getSeconds(), 2)}`;
  return `${second}.${part(us % 1_000_000, 6)}`;
}

function whereOf({ exchange, routing_key, queue, targets, step }: TraceEvent): HTMLElement {
  if (step !== "published" && step !== "dead-lettered") return nameOf(queue);
  const to = targets.length === 0 ? ["nowhere"] : targets.flatMap((name, i) => [i === 0 ? "" : ", ", nameOf(name)]);
  const from = step === "dead-lettered" ? [nameOf(queue), " → "] : [];
  return h("span", {}, ...from, nameOf(exchange === "" ? "(default exchange)" : exchange), " by ", nameOf(routing_key), " → ", ...to);
}

export function trace(view: View): void {
  heading(view, "Follow messages");
  const what = choice(kWhatToFollow);
  const value = text("", { required: true });
  const state = h("p", { class: "told", role: "status" }, "Nothing is followed.");
  let id: number | null = null;
  let next = 0;
  let steps: Step[] = [];
  const table = new Table<Step>(
    "Steps",
    [
      { title: "Time", text: ({ event }) => timeOf(event.at_us) },
      { title: "Step", text: ({ event }) => event.step + (event.redelivered ? " again" : "") },
      { title: "Where", element: ({ event }) => whereOf(event) },
      { title: "Number in queue", numeric: true, minor: true, text: ({ event }) => (event.seq === 0 ? "" : count(event.seq)) },
      { title: "Message id", minor: true, text: ({ event }) => visible(event.message_id) },
      { title: "Correlation id", minor: true, text: ({ event }) => visible(event.correlation_id) },
      { title: "Client", minor: true, text: ({ event }) => visible([event.user, event.peer].filter((part) => part !== "").join(" at ")) },
    ],
    ({ number }) => String(number),
    "Publish something that fits.",
  );

  const stop = async () => {
    if (id === null) return;
    const ended = id;
    id = null;
    setText(state, "Nothing is followed any more.");
    await remove(`millrace/traces/${ended}`).catch(() => undefined); // it may have ended by itself
  };
  const follow = form(
    view,
    "Follow",
    async () => {
      await stop();
      const begun = await post<{ id: number }>("millrace/traces", { [what.value]: value.value });
      if (begun === null) return;
      [id, next, steps] = [begun.id, 0, []];
      table.update(steps);
      setText(state, `Following ${kWhatToFollow.find(([name]) => name === what.value)?.[1].split(" (")[0] ?? ""} ${visible(value.value)}.`);
    },
    field("By", what),
    field("Which is", value),
  );
  view.signal.addEventListener("abort", () => void stop());
  add(view.root, follow, h("p", { class: "buttons" }, button(view, "Stop", stop)), state, section("What happened", table.element));

  every(view, 500, async () => {
    const followed = id;
    if (followed === null) return;
    const told = await get<TraceRead>(`millrace/traces/${followed}?${query({ after: next })}`, view.signal);
    if (view.signal.aborted || id !== followed) return;
    const first = told.next - told.events.length;
    steps = [...steps, ...told.events.map((event, i) => ({ number: first + i, event }))].slice(-kShown);
    next = told.next;
    table.update(steps);
    if (told.missed > 0) setText(state, `${count(told.missed)} steps came too fast to be shown. Follow something rarer.`);
  });
}
