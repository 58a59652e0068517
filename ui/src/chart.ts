// Lines over the last minutes: SVG whose colours come from the style sheet, its figures beside it as text.

import { h, setText, svg } from "./dom.js";
import { kSamples, Sample } from "./history.js";

const kWidth = 600;
const kHeight = 120;

// The next of 1, 2, 5, 10, 20, … so that the scale seldom changes.
export function scaleMax(highest: number): number {
  if (highest <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  for (const step of [1, 2, 5, 10]) {
    if (highest <= step * power) return step * power;
  }
  return 10 * power;
}

// A gap of more than a few seconds (the page was hidden) is no line.
const kGapMs = 6000;

export function linePath(samples: Sample[], index: number, now: number, top: number): string {
  const span = kSamples * 1000;
  let path = "";
  let last = -Infinity;
  for (const sample of samples) {
    const value = sample.values[index];
    if (value === undefined) continue;
    const x = kWidth * (1 - (now - sample.at) / span);
    const y = kHeight - 2 - (kHeight - 4) * Math.min(1, Math.max(0, value) / top);
    path += `${sample.at - last > kGapMs ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = sample.at;
  }
  return path;
}

export class Chart {
  readonly element: HTMLElement;
  private readonly paths: SVGPathElement[];
  private readonly values: HTMLElement[];
  private readonly top = h("span", { class: "top" });

  constructor(
    title: string,
    private readonly names: string[],
    private readonly format: (value: number) => string,
  ) {
    this.paths = names.map((_, i) => svg("path", { class: `line line-${i}`, "vector-effect": "non-scaling-stroke" }));
    this.values = names.map(() => h("strong"));
    const picture = svg(
      "svg",
      { viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      svg("path", { class: "grid", d: `M0 ${kHeight / 2}H${kWidth}`, "vector-effect": "non-scaling-stroke" }),
      ...this.paths,
    );
    const legend = h(
      "ul",
      { class: "legend" },
      ...names.map((name, i) => h("li", { class: `key key-${i}` }, name, " ", this.values[i])),
    );
    this.element = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, title),
      legend,
      h("div", { class: "plot" }, this.top, picture),
      h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, `${kSamples / 60} minutes ago`), h("span", {}, "now")),
    );
  }

  update(samples: Sample[]): void {
    const now = samples[samples.length - 1]?.at ?? 0;
    let highest = 0;
    for (const sample of samples) highest = Math.max(highest, ...sample.values);
    const top = scaleMax(highest);
    setText(this.top, this.format(top));
    this.names.forEach((_, i) => {
      this.paths[i]?.setAttribute("d", linePath(samples, i, now, top));
      const value = this.values[i];
      if (value) setText(value, this.format(samples[samples.length - 1]?.values[i] ?? 0));
    });
  }
}
