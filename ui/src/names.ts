// Names as the broker's users gave them: shown apart from the text around them, whatever direction they are written in.

import { h } from "./dom.js";
import { visible } from "./format.js";

// What RabbitMQ's API calls the exchange whose name is empty.
export const kDefaultExchange = "amq.default";

export function nameOf(text: string): HTMLElement {
  return h("bdi", { class: "name" }, text === "" ? "(default)" : visible(text));
}

// "#/queues/%2F/jobs"; a lone surrogate cannot come from the broker.
export function way(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function link(text: string, ...to: string[]): HTMLAnchorElement {
  return h("a", { href: way(...to) }, nameOf(text));
}

export function exchangeInAddress(name: string): string {
  return name === "" ? kDefaultExchange : name;
}
