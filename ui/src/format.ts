// Figures and names as people read them.

const kNumbers = new Intl.NumberFormat("en-US");

export function count(value: number | undefined | null): string {
  return typeof value === "number" ? kNumbers.format(value) : "–";
}

// "1 channel", "2 channels"
export function some(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? "" : "s"}`;
}

export function rate(value: number | undefined | null): string {
  if (typeof value !== "number") return "–";
  const size = Math.abs(value);
  const digits = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })}/s`;
}

export function bytes(value: number | undefined | null): string {
  if (typeof value !== "number") return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    ++unit;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function time(milliseconds: number): string {
  return new Date(milliseconds).toLocaleString();
}

// Characters that cannot be seen, or that turn the text around them, are written out: a name must not pretend to be
// another one.
const kInvisible =
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

export function visible(text: string): string {
  return text.replace(kInvisible, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function json(value: unknown, indent = 0): string {
  return visible(JSON.stringify(value, null, indent)).replace(/\\u000a/g, "\n");
}
