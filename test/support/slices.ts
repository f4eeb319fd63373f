// Slices of a Chrome trace that cross others of their track, which no viewer can draw.

interface Slice {
  readonly ph: string;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
}

const NS_PER_US = 1000;

/** One line for each slice that begins within another and ends after it; times in nanoseconds. */
export function crossings(events: readonly Slice[]): string[] {
  const tracks = new Map<number, { from: number; to: number }[]>();
  for (const { ph, tid, ts = NaN, dur = NaN } of events) {
    if (ph !== 'X') continue;
    const from = Math.round(ts * NS_PER_US);
    const to = Math.round((ts + dur) * NS_PER_US);
    tracks.set(tid, [...(tracks.get(tid) ?? []), { from, to }]);
  }
  const found: string[] = [];
  for (const [tid, slices] of tracks) {
    const open: number[] = [];
    for (const { from, to } of slices.sort((a, b) => a.from - b.from || b.to - a.to)) {
      while (open.length > 0 && (open.at(-1) ?? 0) <= from) open.pop();
      if (open.length > 0 && to > (open.at(-1) ?? 0)) found.push(`track ${String(tid)}: ${String(from)} crosses`);
      open.push(to);
    }
  }
  return found;
}
