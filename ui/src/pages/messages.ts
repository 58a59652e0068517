// Looking at messages without taking them, and publishing one.

import { path, post } from "../api.js";
import { Child, h, replace } from "../dom.js";
import { area, button, check, field, form, jsonOf, text } from "../form.js";
import { bytes, count, json, some, visible } from "../format.js";
import { exchangeInAddress, kDefaultExchange, nameOf } from "../names.js";
import { GotMessage } from "../types.js";
import { section, View } from "../view.js";

const kShownBytes = 20_000;
const kPeeked = 50;

interface Death {
  queue: string;
  reason: string;
  count: number;
  exchange: string;
}

const times = (number: number) => (number === 1 ? "once" : `${count(number)} times`);

// "died in jobs (rejected), 3 times"
function deaths(headers: Record<string, unknown> | undefined): Child[] {
  const list = headers?.["x-death"];
  if (!Array.isArray(list)) return [];
  // A publisher may have written anything there.
  const known = list.filter((death): death is Death => typeof death === "object" && death !== null && "queue" in death);
  if (known.length === 0) return [];
  const items = known.map((death) =>
    h("li", {}, "in ", nameOf(String(death.queue)), ` (${visible(String(death.reason))}), ${times(Number(death.count))}`),
  );
  return [h("dt", {}, "Died"), h("dd", {}, h("ul", {}, ...items))];
}

function messageItem(message: GotMessage): HTMLElement {
  const { headers, ...properties } = message.properties;
  const cut = message.payload_bytes > kShownBytes ? `, the first ${bytes(kShownBytes)} of it` : "";
  const encoded = message.payload_encoding === "base64" ? ", no text: shown in base64" : "";
  return h(
    "li",
    { class: "message" },
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Published to"),
      h("dd", {}, nameOf(message.exchange), " with key ", h("bdi", { class: "name" }, visible(message.routing_key))),
      ...deaths(headers),
      h("dt", {}, "Properties"),
      h("dd", {}, h("code", {}, json(properties))),
      headers !== undefined && h("dt", {}, "Headers"),
      headers !== undefined && h("dd", {}, h("details", {}, h("summary", {}, some(Object.keys(headers).length, "header")), h("pre", {}, json(headers, 2)))),
      h("dt", {}, "Delivered before"),
      h("dd", {}, message.redelivered ? "yes" : "no"),
    ),
    h("p", { class: "told" }, `Body: ${bytes(message.payload_bytes)}${cut}${encoded}`),
    h("pre", { class: "payload", tabindex: 0, dir: "auto" }, message.payload),
  );
}

export function peekSection(view: View, vhost: string, name: string): HTMLElement {
  const number = text("5", { type: "number" });
  number.min = "1";
  number.max = String(kPeeked);
  const messages = h("ol", { class: "messages" });
  const told = h("p", { class: "told", role: "status" });
  const peek = button(view, "Peek", async () => {
    const got = await post<GotMessage[]>(`queues/${path(vhost, name)}/get`, {
      count: Math.max(1, Math.min(kPeeked, Number(number.value) || 1)),
      ackmode: "ack_requeue_true",
      encoding: "auto",
      truncate: kShownBytes,
    });
    replace(messages, ...(got ?? []).map(messageItem));
    told.textContent = got?.length ? `${some(got.length, "message")}, the first of the queue.` : "No message is ready.";
  });
  return section(
    "Look at messages",
    h("p", { class: "told" }, "They go back to their places, marked as delivered before."),
    h("div", { class: "toolbar" }, h("label", {}, "How many ", number), peek),
    told,
    messages,
  );
}

type To = { queue: string } | { exchange: string };

export function publishSection(view: View, vhost: string, to: To): HTMLElement {
  const key = text();
  const payload = area();
  const type = text("", {});
  const persistent = check("Persistent: it outlives a restart in a durable queue", true);
  const headers = area("", 2);
  const exchange = "queue" in to ? kDefaultExchange : exchangeInAddress(to.exchange);
  const publish = form(
    view,
    "Publish",
    async () => {
      const properties: Record<string, unknown> = { delivery_mode: persistent.input.checked ? 2 : 1 };
      if (type.value !== "") properties["content_type"] = type.value;
      const given = jsonOf(headers, "Headers");
      if (Object.keys(given).length > 0) properties["headers"] = given;
      const answer = await post<{ routed: boolean }>(`exchanges/${path(vhost, exchange)}/publish`, {
        routing_key: "queue" in to ? to.queue : key.value,
        payload: payload.value,
        payload_encoding: "string",
        properties,
      });
      if (answer?.routed !== true) throw new Error("The message went to no queue: no binding of the exchange fits its routing key.");
      view.say("Published, and confirmed by the broker.");
    },
    "exchange" in to && field("Routing key", key),
    field("Body", payload),
    field("Content type", type, "for example application/json"),
    field("Headers", headers, 'JSON, for example {"tries": 1}'),
    persistent.element,
  );
  return section("Publish a message", publish);
}
