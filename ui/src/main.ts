// The frame around all pages: who is logged in, where one can go, what went wrong. Which page is shown is in the
// address behind the #, so that the browser's back button and bookmarks work.

import { alarm, lookForAlarms } from "./alarm.js";
import { onLoginLost } from "./api.js";
import { add, h, replace, setText } from "./dom.js";
import { forgetHistory } from "./history.js";
import { enterAgain, showLogin } from "./login.js";
import { nameOf } from "./names.js";
import { connection } from "./pages/connection.js";
import { connections } from "./pages/connections.js";
import { channels } from "./pages/channels.js";
import { definitions } from "./pages/definitions.js";
import { exchange } from "./pages/exchange.js";
import { exchanges } from "./pages/exchanges.js";
import { overview } from "./pages/overview.js";
import { policies } from "./pages/policies.js";
import { queue } from "./pages/queue.js";
import { queues } from "./pages/queues.js";
import { tasks } from "./pages/tasks.js";
import { trace } from "./pages/trace.js";
import { users } from "./pages/users.js";
import { poll, Trouble } from "./poll.js";
import { forget, has, user } from "./session.js";
import { heading, Page, View } from "./view.js";

interface Place {
  title: string;
  list: Page;
  one?: Page;
  parts?: number; // that the address of one thing has
  administrators?: boolean;
  monitors?: boolean; // for who may see the whole node
}

const kPlaces: Record<string, Place> = {
  overview: { title: "Overview", list: overview },
  queues: { title: "Queues", list: queues, one: queue, parts: 2 },
  exchanges: { title: "Exchanges", list: exchanges, one: exchange, parts: 2 },
  connections: { title: "Connections", list: connections, one: connection, parts: 1 },
  channels: { title: "Channels", list: channels },
  tasks: { title: "Tasks", list: tasks },
  trace: { title: "Follow", list: trace, monitors: true },
  users: { title: "Users", list: users, administrators: true },
  policies: { title: "Policies", list: policies },
  definitions: { title: "Definitions", list: definitions, administrators: true },
};

const place = document.getElementById("page");
if (!place) throw new Error("the page has no place to draw in");
const root: HTMLElement = place;

let leave = new AbortController(); // ends what the shown page does
let logout = new AbortController(); // ends what the frame does

function partsOfAddress(): string[] {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

function logOut(why: string): void {
  leave.abort();
  logout.abort();
  forget();
  forgetHistory();
  showLogin(root, why, showFrame);
}

function nothingThere(view: View): void {
  heading(view, "There is no such page");
  add(view.root, h("p", {}, "Choose one above."));
}

function showFrame(): void {
  logout = new AbortController();
  const main = h("main", { id: "main", tabindex: -1 });
  const said = h("p", { class: "said", role: "status" });
  const complaint = h("p", { class: "complaint", role: "alert" });
  const trouble = h("p", { class: "complaint", role: "alert" });
  const alarmed = h("p", { class: "alarm", role: "alert" });
  const links = Object.entries(kPlaces)
    .filter(([, to]) => to.administrators !== true || has("administrator"))
    .filter(([, to]) => to.monitors !== true || has("monitoring"))
    .map(([name, to]) => ({ name, element: h("a", { href: `#/${name}` }, to.title) }));

  const complain = (error: unknown) => {
    setText(said, "");
    setText(complaint, error instanceof Error ? error.message : String(error));
  };
  const show = () => {
    leave.abort();
    leave = new AbortController();
    const [name = "", ...parts] = partsOfAddress();
    const wanted = name === "" ? "overview" : name;
    const to = kPlaces[wanted];
    for (const { name: other, element } of links) {
      if (other === wanted) element.setAttribute("aria-current", "page");
      else element.removeAttribute("aria-current");
    }
    for (const line of [said, complaint, trouble]) setText(line, "");
    replace(main);
    const signal = leave.signal;
    const view: View = {
      root: main,
      signal,
      say: (message) => {
        if (signal.aborted) return;
        setText(complaint, "");
        setText(said, message);
      },
      complain: (error) => {
        if (!signal.aborted) complain(error);
      },
      trouble: (told: Trouble | null) => {
        if (signal.aborted) return;
        const again = told === null ? "" : ` Trying again in ${Math.round(told.againInMs / 1000)} s.`;
        setText(trouble, told === null ? "" : told.message + again);
      },
      leave: async (to, work) => {
        leave.abort();
        try {
          await work();
        } catch (error) {
          show();
          complain(error);
          return;
        }
        location.hash = to;
      },
    };
    const page = parts.length === 0 ? to?.list : parts.length === to?.parts ? to.one : undefined;
    (page ?? nothingThere)(view, parts);
    scrollTo(0, 0);
  };

  replace(
    root,
    h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, "Skip to the content"),
    h(
      "header",
      {},
      h("span", { class: "brand" }, "Millrace"),
      h("nav", { "aria-label": "Pages" }, h("ul", {}, ...links.map(({ element }) => h("li", {}, element)))),
      h("span", { class: "who" }, nameOf(user.name), " ", h("button", { type: "button", onclick: () => logOut("") }, "Log out")),
    ),
    alarmed,
    trouble,
    complaint,
    said,
    main,
  );
  window.addEventListener(
    "hashchange",
    () => {
      show();
      const title = main.querySelector("h1");
      if (title) title.focus({ preventScroll: true });
    },
    { signal: logout.signal },
  );
  const look = async () => {
    await lookForAlarms(logout.signal);
    const why = alarm();
    setText(alarmed, why === null ? "" : `Publishers are held back: ${why}. Free some, or let consumers take messages; they go on.`);
  };
  // Whether the broker answers at all is said by the page that is shown.
  void poll(look, 3000, logout.signal, () => undefined);
  show();
}

onLoginLost((why) => {
  // While it is being typed the form says it itself.
  if (user.name !== "") logOut(why);
});

void enterAgain().then((why) => (why === null ? showFrame() : showLogin(root, why, showFrame)));
