// Many things over the last minutes, a row each: the stronger the colour, the more. The scale is logarithmic, so that a queue of ten
// is seen beside one of a million.

import { h, replace, setText } from "./dom.js";
import { kSamples, Sample } from "./history.js";
import { nameOf } from "./names.js";

const kColumns = 100;
const kRowPixels = 14;

export interface HeatRow {
  name: string;
  to: string; // where its name leads
  samples: Sample[]; // of which values[0] is shown
}

// The highest value of each of `columns` slots up to now; -1 where nothing was seen.
export function slots(samples: Sample[], now: number, columns: number): number[] {
  const found = new Array<number>(columns).fill(-1);
  const span = kSamples * 1000;
  for (const sample of samples) {
    const slot = Math.min(columns - 1, Math.floor(columns * (1 - (now - sample.at) / span)));
    if (slot >= 0) found[slot] = Math.max(found[slot] ?? -1, sample.values[0] ?? 0);
  }
  return found;
}

export class HeatMap {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly names = h("ol", { class: "heat-names" });
  private readonly scale = h("p", { class: "told" });
  private shown = "";

  constructor(title: string) {
    this.element = h(
      "figure",
      { class: "heat" },
      h("figcaption", {}, title),
      h("div", { class: "heat-rows" }, this.names, this.canvas),
      this.scale,
    );
  }

  update(rows: HeatRow[], now: number, format: (value: number) => string): void {
    const shown = JSON.stringify(rows.map((row) => row.to));
    if (shown !== this.shown) {
      this.shown = shown;
      replace(this.names, ...rows.map((row) => h("li", {}, h("a", { href: row.to }, nameOf(row.name)))));
    }
    this.canvas.width = kColumns;
    this.canvas.height = Math.max(1, rows.length * kRowPixels);
    this.canvas.style.height = `${rows.length * 1.5}rem`;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const found = rows.map((row) => slots(row.samples, now, kColumns));
    const highest = Math.max(1, ...found.map((row) => Math.max(...row)));
    context.fillStyle = getComputedStyle(this.canvas).color;
    found.forEach((row, y) => {
      row.forEach((value, x) => {
        if (value < 0) return;
        context.globalAlpha = value === 0 ? 0.06 : 0.15 + (0.85 * Math.log1p(value)) / Math.log1p(highest);
        context.fillRect(x, y * kRowPixels + 1, 1, kRowPixels - 2);
      });
    });
    setText(
      this.scale,
      `Strongest: ${format(highest)}. From ${kSamples / 60} minutes ago to now; blank where nothing was seen.`,
    );
  }
}
