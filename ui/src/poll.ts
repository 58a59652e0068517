// Asks again and again: once in `everyMs` while the page is seen, not at all while it is hidden, less and less often
// while the broker fails to answer.

const kLongestMs = 30_000;

export interface Trouble {
  message: string;
  againInMs: number;
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}

function untilSeen(signal: AbortSignal): Promise<void> {
  if (!document.hidden || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done);
  });
}

// `tell` hears of trouble, and null when it is over. Ends with the signal.
export async function poll(
  work: () => Promise<void>,
  everyMs: number,
  signal: AbortSignal,
  tell: (trouble: Trouble | null) => void,
): Promise<void> {
  let pause = everyMs;
  for (;;) {
    await untilSeen(signal);
    if (signal.aborted) return;
    try {
      await work();
      if (signal.aborted) return;
      if (pause !== everyMs) tell(null);
      pause = everyMs;
    } catch (error) {
      if (signal.aborted) return;
      pause = Math.min(kLongestMs, Math.max(pause * 2, 2 * 1000));
      tell({ message: error instanceof Error ? error.message : String(error), againInMs: pause });
    }
    await wait(pause, signal);
  }
}
