// What was seen in the last minutes, for charts. Kept in the page alone, bounded, gone with it.

export const kSamples = 300; // about as many seconds
const kThings = 64; // queues, and the whole node

export interface Sample {
  at: number; // milliseconds
  values: number[];
}

const kept = new Map<string, Sample[]>();

// Adds, and gives what there is of this thing, oldest first.
export function record(thing: string, at: number, values: number[]): Sample[] {
  const samples = kept.get(thing) ?? [];
  kept.delete(thing); // what is looked at is the last to go
  kept.set(thing, samples);
  samples.push({ at, values });
  const oldest = at - kSamples * 1000;
  while (samples.length > kSamples || (samples[0] !== undefined && samples[0].at < oldest)) samples.shift();
  for (const first of kept.keys()) {
    if (kept.size <= kThings) break;
    kept.delete(first);
  }
  return samples;
}

export function forgetHistory(): void {
  kept.clear();
}
