// How many publishers the broker holds back: by an alarm, or because they are ahead of a limit's rate.

import { get } from "./api.js";

export interface Flow {
  blocked: number; // connections that an alarm holds back
  throttled: number; // … that are ahead of a rate
}

let last: Flow = { blocked: 0, throttled: 0 };
let askedAt = -Infinity;

// What was told last, of the connections that the user may see.
export function flow(): Flow {
  return last;
}

// Every five seconds is often enough, whoever asks.
export async function lookForFlow(signal: AbortSignal): Promise<void> {
  if (performance.now() - askedAt < 5000) return;
  askedAt = performance.now();
  const connections = await get<{ state: string }[]>("connections?columns=state", signal);
  const those = (state: string) => connections.filter((connection) => connection.state === state).length;
  last = { blocked: those("blocked"), throttled: those("flow") };
}

// The state of a connection, for people.
export function stateOf(state: string): string {
  return state === "blocked" ? "held back" : state === "flow" ? "held back: ahead of its rate" : state;
}
