// Tasks of libmillrace and Celery: their queues with dead letters, the workers that are connected and what they run, and
// the schedules that the broker holds. What only the workers know is asked for when somebody wants to see it.

import { get, path, post, put, remove } from "../api.js";
import { confirm } from "../dialog.js";
import { add, h, setText } from "../dom.js";
import { button, field } from "../form.js";
import { count, rate, some, visible } from "../format.js";
import { link, nameOf } from "../names.js";
import { Table } from "../table.js";
import { every, heading, section, View } from "../view.js";
import { vhostChoice } from "./vhosts.js";

const kRetryBatch = 1000;
const kAnswersWithinMs = 1000;
const kMostAnswers = 1000;
const kMostSchedules = 50; // whose definitions are looked at
const kReplyQueueMs = 60_000;

interface TaskQueue {
  name: string;
  waiting: number;
  held: number;
  consumers: number;
  dead: number;
  rate: number;
}

interface TaskWorker {
  name: string;
  connection?: string;
  connected_at?: number;
  held?: number;
}

interface Tasks {
  queues: TaskQueue[];
  workers: TaskWorker[];
  schedules: string[];
  cut: boolean;
}

interface Got {
  payload: string;
}

interface Running {
  id: string;
  task: string;
  args: string;
  worker: string;
  started: string;
}

interface Schedule {
  name: string;
  cron: string;
  task: string;
  paused: boolean;
  definition: Record<string, unknown> | null; // null: it could not be read
}

function textIn(value: unknown, key: string): string {
  const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === "string" ? found : found === undefined || found === null ? "" : JSON.stringify(found);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function publish(vhost: string, exchange: string, key: string, payload: object, properties: object): Promise<void> {
  await post(`exchanges/${path(vhost, exchange)}/publish`, {
    routing_key: key,
    payload: JSON.stringify(payload),
    payload_encoding: "string",
    properties: { content_type: "application/json", ...properties },
  });
}

// Celery's remote control, which the workers of libmillrace answer as well.
async function command(vhost: string, method: string, given: object, replyTo?: string): Promise<void> {
  const asked: Record<string, unknown> = { method, arguments: given, destination: null, pattern: null, matcher: null };
  if (replyTo !== undefined) {
    asked["ticket"] = replyTo;
    asked["reply_to"] = { exchange: "", routing_key: replyTo };
  }
  await publish(vhost, "celery.pidbox", "", asked, { content_encoding: "utf-8", delivery_mode: 1 });
}

async function askWorkers(vhost: string, method: string): Promise<[string, unknown][]> {
  const queue = `millrace.page.${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  await put(`queues/${path(vhost, queue)}`, { durable: false, arguments: { "x-expires": kReplyQueueMs } });
  try {
    await command(vhost, method, {}, queue);
    await new Promise((resolve) => setTimeout(resolve, kAnswersWithinMs));
    const got = await post<Got[]>(`queues/${path(vhost, queue)}/get`, {
      count: kMostAnswers,
      ackmode: "ack_requeue_false",
      encoding: "auto",
    });
    return (got ?? []).flatMap(({ payload }) => Object.entries((parse(payload) as Record<string, unknown> | null) ?? {}));
  } finally {
    await remove(`queues/${path(vhost, queue)}`);
  }
}

function runningOf(answers: [string, unknown][]): Running[] {
  return answers.flatMap(([worker, list]) =>
    (Array.isArray(list) ? (list as unknown[]) : []).map((one) => {
      const started = Number(textIn(one, "time_start"));
      return {
        id: textIn(one, "id"),
        task: textIn(one, "name"),
        args: textIn(one, "args"),
        worker,
        started: started > 0 ? new Date(started * 1000).toLocaleTimeString() : "",
      };
    }),
  );
}

function queueTable(view: View, vhost: () => string, load: () => Promise<void>): Table<TaskQueue> {
  const retry = async (name: string) => {
    const asked = { destination: name, count: kRetryBatch };
    const done = await post<{ moved: number; kept: number; reason: string }>(`queues/${path(vhost(), `${name}.dead`)}/move`, asked);
    const stayed = done && done.kept > 0 ? ` ${count(done.kept)} stayed: ${visible(done.reason)}.` : "";
    view.say(`${some(done?.moved ?? 0, "task")} submitted again, with all attempts.${stayed}`);
    await load();
  };
  return new Table<TaskQueue>(
    "Queues of tasks",
    [
      { title: "Queue", element: (row) => link(row.name, "queues", vhost(), row.name) },
      { title: "Waiting", numeric: true, text: (row) => count(row.waiting) },
      { title: "With workers", numeric: true, text: (row) => count(row.held) },
      { title: "Done", numeric: true, text: (row) => rate(row.rate) },
      { title: "Consumers", numeric: true, minor: true, text: (row) => count(row.consumers) },
      { title: "Dead", numeric: true, text: (row) => count(row.dead), tone: (row) => (row.dead > 0 ? "badge warn" : "") },
      {
        title: "Actions",
        element: (row) =>
          h(
            "span",
            {},
            h("a", { href: `#/queues/${encodeURIComponent(vhost())}/${encodeURIComponent(`${row.name}.dead`)}` }, "Look at the dead"),
            " ",
            button(view, "Retry the dead", () => retry(row.name)),
          ),
      },
    ],
    (row) => `${vhost()}/${row.name}`,
    "There is none: no worker of libmillrace has been here.",
  );
}

function workerTable(vhost: () => string): Table<TaskWorker> {
  return new Table<TaskWorker>(
    "Workers",
    [
      { title: "Worker", element: (row) => nameOf(row.name) },
      { title: "Tasks held", numeric: true, text: (row) => (row.held === undefined ? "" : count(row.held)) },
      {
        title: "Connected since",
        text: (row) => (row.connected_at === undefined ? "" : new Date(row.connected_at).toLocaleString()),
      },
      {
        title: "Connection",
        minor: true,
        element: (row) => (row.connection === undefined ? "" : link(row.connection, "connections", row.connection)),
      },
    ],
    (row) => `${vhost()}/${row.name}/${row.connection ?? ""}`,
    "None is connected.",
  );
}

function runningSection(view: View, vhost: () => string): HTMLElement {
  const table = new Table<Running>(
    "Tasks that run",
    [
      { title: "Task", element: (row) => nameOf(row.task) },
      { title: "Arguments", text: (row) => visible(row.args.slice(0, 200)) },
      { title: "Id", minor: true, element: (row) => nameOf(row.id) },
      { title: "Worker", element: (row) => nameOf(row.worker) },
      { title: "Since", text: (row) => row.started },
      { title: "Actions", element: (row) => button(view, "Cancel", () => cancel(row), "danger") },
    ],
    (row) => `${row.worker}/${row.id}`,
    "None.",
  );
  table.element.hidden = true;
  const told = h("p", { class: "told", role: "status" });
  const cancel = async (row: Running) => {
    const sure = await confirm({
      title: "Cancel this task?",
      body: [h("p", {}, "It is stopped, and will not be tried again: ", nameOf(row.task))],
      action: "Cancel the task",
    });
    if (!sure) return;
    await command(vhost(), "revoke", { task_id: row.id, terminate: true, signal: "SIGTERM" });
    view.say("The workers are told.");
  };
  const look = button(view, "Ask the workers what they run", async () => {
    const answers = await askWorkers(vhost(), "active");
    if (view.signal.aborted) return;
    table.element.hidden = false;
    table.update(runningOf(answers));
    setText(told, `${some(answers.length, "worker")} answered at ${new Date().toLocaleTimeString()}.`);
  });
  return h("div", {}, h("p", { class: "buttons" }, look, told), table.element);
}

function queueOf(schedule: string): string {
  return `millrace.schedule.${schedule}`;
}

function unknownSchedule(name: string): Schedule {
  return { name, cron: "", task: "", paused: false, definition: null };
}

async function scheduleOf(vhost: string, name: string): Promise<Schedule> {
  const got = await post<Got[]>(`queues/${path(vhost, queueOf(name))}/get`, {
    count: 1,
    ackmode: "ack_requeue_true",
    encoding: "auto",
  });
  const definition = parse(got?.[0]?.payload ?? "");
  if (typeof definition !== "object" || definition === null) return unknownSchedule(name);
  const known = definition as Record<string, unknown>;
  return { name, cron: textIn(known, "cron"), task: textIn(known["call"], "task"), paused: known["paused"] === true, definition: known };
}

function scheduleSection(view: View, vhost: () => string): { element: HTMLElement; show: (names: string[]) => void } {
  const known = new Map<string, Schedule>();
  let shown: string[] = [];
  const draw = () => {
    table.update(shown.map((name) => known.get(name) ?? unknownSchedule(name)));
  };
  const read = async (names: string[]) => {
    for (const name of names) {
      if (view.signal.aborted) return;
      known.set(name, await scheduleOf(vhost(), name));
    }
    draw();
  };
  const set = async (name: string) => {
    const schedule = await scheduleOf(vhost(), name);
    if (!schedule.definition) throw new Error("The schedule is being looked at by a worker, or is none. Try again.");
    const definition = { ...schedule.definition, paused: !schedule.paused };
    // The queue has room for one: the new one takes the old one's place.
    await publish(vhost(), "amq.default", queueOf(name), definition, { delivery_mode: 2 });
    await read([name]);
    view.say(definition.paused ? `${visible(name)} is paused: its times pass without a task.` : `${visible(name)} goes on.`);
  };
  const drop = async (name: string) => {
    const sure = await confirm({
      title: "Delete this schedule?",
      body: [h("p", {}, "Its task is not submitted any more: ", nameOf(name))],
      action: "Delete the schedule",
    });
    if (!sure) return;
    await remove(`queues/${path(vhost(), queueOf(name))}`);
    known.delete(name);
    view.say(`The schedule ${visible(name)} is deleted.`);
  };
  const table: Table<Schedule> = new Table<Schedule>(
    "Schedules",
    [
      { title: "Schedule", element: (row) => nameOf(row.name) },
      { title: "When (UTC)", text: (row) => visible(row.cron) },
      { title: "Task", text: (row) => visible(row.task) },
      { title: "State", text: (row) => (row.paused ? "paused" : ""), tone: (row) => (row.paused ? "badge warn" : "") },
      {
        title: "Actions",
        element: (row) =>
          h(
            "span",
            {},
            button(view, "Pause or go on", () => set(row.name)),
            " ",
            button(view, "Delete", () => drop(row.name), "danger"),
          ),
      },
    ],
    (row) => `${vhost()}/${row.name}`,
    "There is none.",
  );
  let of = "";
  const show = (names: string[]) => {
    if (of !== vhost()) known.clear();
    of = vhost();
    shown = names;
    draw();
    // Their definitions are messages: looked at once.
    const unread = names.slice(0, kMostSchedules).filter((name) => !known.has(name));
    for (const name of unread) known.set(name, unknownSchedule(name));
    read(unread).catch(() => undefined); // without the permission to read there are names alone
  };
  return { element: section("Schedules", table.element), show };
}

export function tasks(view: View): void {
  heading(view, "Tasks");
  const choice = vhostChoice(view);
  const vhost = () => choice.value;
  const cut = h("p", { class: "told" });
  const workers = workerTable(vhost);
  const schedules = scheduleSection(view, vhost);
  const load = async () => {
    if (vhost() === "") return;
    const known = await get<Tasks>(`millrace/tasks/${path(vhost())}`, view.signal);
    if (view.signal.aborted) return;
    queues.update(known.queues);
    workers.update(known.workers);
    schedules.show(known.schedules);
    setText(cut, known.cut ? "There are more than are shown." : "");
  };
  const queues = queueTable(view, vhost, load);
  choice.addEventListener("change", () => {
    load().catch((error: unknown) => view.complain(error));
  });
  add(
    view.root,
    h("div", { class: "toolbar" }, field("Virtual host", choice)),
    section("Queues", queues.element),
    section("Workers", workers.element, runningSection(view, vhost)),
    schedules.element,
    cut,
  );
  every(view, 1000, load);
}
