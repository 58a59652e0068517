// The bindings of an exchange as a picture: it stands on the left, what it leads to on the right. What an exchange on
// the right leads to is seen by going there. The table beside the picture says the same.

import { replace, svg } from "./dom.js";
import { visible } from "./format.js";
import { way } from "./names.js";
import { Binding } from "./types.js";

const kWidth = 640;
const kBox = 200;
const kRow = 44;
const kShown = 40; // destinations; the table has all
const kLetters = 24;

function short(text: string): string {
  const letters = [...visible(text)];
  return letters.length > kLetters ? `${letters.slice(0, kLetters - 1).join("")}…` : letters.join("");
}

function box(x: number, y: number, kind: string, name: string, href: string | null): SVGElement {
  const inner = [
    svg("title", {}, `${kind} ${visible(name === "" ? "(default)" : name)}`),
    svg("rect", { x, y: y + 6, width: kBox, height: kRow - 12, rx: kind === "queue" ? 4 : 16, class: `box ${kind}` }),
    svg("text", { x: x + kBox / 2, y: y + kRow / 2 + 4, class: "box-name" }, short(name === "" ? "(default)" : name)),
  ];
  return href === null ? svg("g", {}, ...inner) : svg("a", { href }, ...inner);
}

export function picture(place: SVGSVGElement, vhost: string, exchange: string, bindings: Binding[]): void {
  const ends = new Map<string, { binding: Binding; keys: string[] }>();
  for (const binding of bindings) {
    const id = JSON.stringify([binding.destination_type, binding.destination]);
    const end = ends.get(id) ?? { binding, keys: [] };
    end.keys.push(binding.routing_key);
    ends.set(id, end);
  }
  const shown = [...ends.values()].slice(0, kShown);
  const rows = Math.max(1, shown.length + (ends.size > kShown ? 1 : 0));
  const height = rows * kRow;
  const middle = height / 2;
  place.setAttribute("viewBox", `0 0 ${kWidth} ${height}`);
  place.setAttribute("height", String(height));
  const lines: SVGElement[] = [];
  const boxes: SVGElement[] = [box(1, middle - kRow / 2, "exchange", exchange, null)];
  shown.forEach(({ binding, keys }, row) => {
    const y = row * kRow;
    const to = kWidth - kBox - 1;
    lines.push(
      svg("path", {
        class: "binding",
        d: `M${kBox} ${middle}C${kBox + 90} ${middle} ${to - 150} ${y + kRow / 2} ${to - 6} ${y + kRow / 2}`,
      }),
      svg("path", { class: "arrow", d: `M${to - 8} ${y + kRow / 2 - 4}l8 4l-8 4z` }),
    );
    const key = keys.length === 1 ? short(keys[0] ?? "") : `${keys.length} bindings`;
    boxes.push(
      svg("text", { x: to - 12, y: y + kRow / 2 - 5, class: "binding-key" }, key),
      box(
        to,
        y,
        binding.destination_type,
        binding.destination,
        way(binding.destination_type === "queue" ? "queues" : "exchanges", vhost, binding.destination),
      ),
    );
  });
  if (ends.size > kShown) {
    boxes.push(svg("text", { x: kWidth - kBox / 2, y: height - kRow / 2, class: "box-name" }, `and ${ends.size - kShown} more`));
  }
  if (ends.size === 0) {
    boxes.push(svg("text", { x: kWidth - kBox / 2, y: middle + 4, class: "box-name" }, "bound to nothing"));
  }
  replace(place, ...lines, ...boxes);
}
