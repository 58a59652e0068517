// What a page of the application is given: a place to draw, a clock that ends when the user goes elsewhere, and a line
// to speak to the user.

import { Child, h } from "./dom.js";
import { poll, Trouble } from "./poll.js";

export interface View {
  root: HTMLElement;
  signal: AbortSignal;
  say(message: string): void; // what was done
  complain(error: unknown): void; // what went wrong
  trouble(trouble: Trouble | null): void;
  // Does away with what the page shows, then goes to another. Meanwhile the page asks for nothing: it would be told that
  // there is no such thing. When that fails the page is shown anew, and says why.
  leave(to: string, work: () => Promise<void>): Promise<void>;
}

export type Page = (view: View, parts: string[]) => void;

export function every(view: View, milliseconds: number, work: () => Promise<void>): void {
  void poll(work, milliseconds, view.signal, (trouble) => view.trouble(trouble));
}

// Runs what a button asks for; the button waits meanwhile.
export async function run(view: View, button: HTMLButtonElement | null, work: () => Promise<void>): Promise<void> {
  if (button?.disabled === true) return;
  if (button) button.disabled = true;
  try {
    await work();
  } catch (error) {
    view.complain(error);
  } finally {
    if (button) button.disabled = false;
  }
}

export function heading(view: View, ...text: Child[]): void {
  const title = h("h1", { tabindex: -1 }, ...text);
  view.root.appendChild(title);
  document.title = `${title.textContent ?? ""} · Millrace`;
}

export function section(title: string, ...children: Child[]): HTMLElement {
  const id = `section-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}
