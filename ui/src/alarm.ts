// Whether the broker holds publishers back because memory or disk space is low.

import { health } from "./api.js";

let reason: string | null = null;

interface Check {
  status: string;
  alarms?: { resource?: string }[];
}

// What was told last: "low on memory"; null when all is well.
export function alarm(): string | null {
  return reason;
}

export async function lookForAlarms(signal: AbortSignal): Promise<string | null> {
  const told = await health<Check>("health/checks/alarms", signal);
  const what = (told.alarms ?? []).map((one) => (one.resource === "memory" ? "memory" : "disk space"));
  reason = told.status === "ok" ? null : `the broker is low on ${what.join(" and on ")}`;
  return reason;
}
