// How long messages wait in a queue and are held by its consumers: as figures, and as a picture over the last minutes in which
// each column is a look, each row a power of two, and the colour how many messages took that long.

import { h, setText } from "./dom.js";
import { kSamples } from "./history.js";
import { Latency, LatencyBuckets } from "./types.js";

const kColumns = 150;
const kRowPixels = 8;

// Of microseconds, in the unit in which one reads it: "850 µs", "1.3 ms", "12 s".
export function latency(us: number | undefined | null): string {
  if (typeof us !== "number") return "–";
  const units: [number, string][] = [
    [86400e6, "d"],
    [3600e6, "h"],
    [60e6, "min"],
    [1e6, "s"],
    [1e3, "ms"],
  ];
  for (const [size, unit] of units) {
    if (us >= size) return `${(us / size).toFixed(us / size >= 10 ? 0 : 1)} ${unit}`;
  }
  return `${us.toFixed(us >= 10 ? 0 : 1)} µs`;
}

export function percentiles(of: Latency): string {
  if (of.count === 0) return "none at the moment";
  return `p50 ${latency(of.p50_us)}, p90 ${latency(of.p90_us)}, p99 ${latency(of.p99_us)}`;
}

export interface LatencySample {
  at: number; // milliseconds
  rows: number[]; // messages by power of two: rows[i] took less than 2^(i+1) µs, and not less than the row before
}

export function rowsOf(buckets: LatencyBuckets): number[] {
  const rows: number[] = [];
  for (const [end, count] of buckets) {
    const row = Math.max(0, Math.ceil(Math.log2(end)) - 1);
    while (rows.length <= row) rows.push(0);
    rows[row] = (rows[row] ?? 0) + count;
  }
  return rows;
}

export class LatencyMap {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly longest = h("li");
  private readonly shortest = h("li");
  private readonly scale = h("p", { class: "told" });
  private readonly samples: LatencySample[] = [];

  constructor(title: string) {
    this.element = h(
      "figure",
      { class: "heat latencies" },
      h("figcaption", {}, title),
      h("div", { class: "heat-rows" }, h("ol", { class: "heat-scale", "aria-hidden": "true" }, this.longest, this.shortest), this.canvas),
      this.scale,
    );
  }

  update(at: number, buckets: LatencyBuckets): void {
    this.samples.push({ at, rows: rowsOf(buckets) });
    const span = kSamples * 1000;
    while (this.samples.length > kSamples || (this.samples[0] !== undefined && this.samples[0].at < at - span)) this.samples.shift();
    const slots = new Map<number, number[]>(); // column → rows
    let highest = 0;
    let [low, high] = [Infinity, -1];
    for (const sample of this.samples) {
      const column = Math.min(kColumns - 1, Math.floor(kColumns * (1 - (at - sample.at) / span)));
      const rows = slots.get(column) ?? [];
      sample.rows.forEach((count, row) => {
        if (count === 0) return;
        rows[row] = (rows[row] ?? 0) + count;
        highest = Math.max(highest, rows[row] ?? 0);
        low = Math.min(low, row);
        high = Math.max(high, row);
      });
      slots.set(column, rows);
    }
    if (high < 0) {
      this.canvas.width = 0;
      setText(this.longest, "");
      setText(this.shortest, "");
      setText(this.scale, "Nothing in the last minutes.");
      return;
    }
    this.canvas.width = kColumns;
    this.canvas.height = (high - low + 1) * kRowPixels;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.fillStyle = getComputedStyle(this.canvas).color;
    for (const [column, rows] of slots) {
      rows.forEach((count, row) => {
        context.globalAlpha = 0.15 + (0.85 * Math.log1p(count)) / Math.log1p(highest);
        context.fillRect(column, (high - row) * kRowPixels, 1, kRowPixels - 1);
      });
    }
    setText(this.longest, latency(2 ** (high + 1)));
    setText(this.shortest, latency(low === 0 ? 0 : 2 ** low));
    setText(this.scale, `From ${latency(low === 0 ? 0 : 2 ** low)} to ${latency(2 ** (high + 1))}, over ${kSamples / 60} minutes up to now.`);
  }
}
