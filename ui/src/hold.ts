// What holds a queue back, judged by its figures. Pure.

export interface QueueFigures {
  ready: number;
  unacked: number;
  consumers: number;
  inRate: number;
  outRate: number; // given to consumers
  ackRate: number;
  // How many messages its consumers may have unacknowledged, together; null: not known, or one of them has no limit.
  prefetch: number | null;
  // The share of the time in which a consumer could have taken a message at once, measured; null: not known.
  capacity: number | null;
}

// Below it consumers are what is slow, whatever they have at this moment.
const kLittleCapacity = 0.1;

export type Tone = "good" | "quiet" | "warn" | "bad";

export interface Hold {
  tone: Tone;
  word: string; // for a table
  why: string; // what to do about it
}

// `alarm`: the broker holds publishers back. `flow`: so many connections are ahead of a limit's rate.
export function holdOf(queue: QueueFigures, alarm: string | null, flow: number): Hold {
  if (queue.ready > 0 && queue.consumers === 0) {
    return { tone: "bad", word: "no consumer", why: "Messages wait and nobody consumes them. Start a consumer." };
  }
  if (queue.ready > 0 && queue.prefetch !== null && queue.unacked >= queue.prefetch) {
    return {
      tone: "warn",
      word: "slow consumer",
      why:
        "Its consumers have as many unacknowledged messages as their prefetch allows: they are what is slow. " +
        "Add consumers, raise the prefetch, or look at what they wait for.",
    };
  }
  if (queue.ready > 0 && queue.unacked > 0 && queue.capacity !== null && queue.capacity < kLittleCapacity && queue.outRate > 0) {
    const busy = Math.round(100 * (1 - queue.capacity));
    return {
      tone: "warn",
      word: "slow consumer",
      why: `For ${busy} % of the time none of its consumers could take a message: they are what is slow. Add consumers, or look at what they wait for.`,
    };
  }
  if (queue.unacked > 0 && queue.ackRate === 0 && queue.outRate === 0) {
    return {
      tone: "warn",
      word: "waits for acks",
      why: "Messages are with consumers, and none is acknowledged at the moment. Look whether a consumer hangs.",
    };
  }
  if (alarm !== null) {
    return { tone: "bad", word: "alarm", why: `Publishers are held back: ${alarm}.` };
  }
  if (queue.ready === 0 && queue.inRate > 0 && flow > 0) {
    const who = flow === 1 ? "One connection is" : `${flow} connections are`;
    return {
      tone: "warn",
      word: "flow control",
      why: `Consumers take what comes in. ${who} held back by the rate that a limit of the user or the vhost allows.`,
    };
  }
  if (queue.ready > 0 && queue.inRate > queue.outRate * 1.05) {
    return { tone: "warn", word: "growing", why: "More comes in than its consumers take. Add consumers." };
  }
  if (queue.ready > 0 && queue.outRate > 0) {
    return { tone: "good", word: "draining", why: "Consumers take what waits." };
  }
  if (queue.ready > 0) {
    return {
      tone: "warn",
      word: "not taken",
      why: "There are consumers, and they take nothing at the moment: they may be waiting behind an active one, or busy.",
    };
  }
  if (queue.inRate > 0 || queue.outRate > 0 || queue.unacked > 0) {
    return { tone: "good", word: "keeps up", why: "What comes in is taken at once." };
  }
  return { tone: "quiet", word: "idle", why: "Nothing comes in and nothing waits." };
}
