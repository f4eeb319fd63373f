// What the charts of a report have in common: one size, one axis of CPUs, one way to show what is beyond the cores.
import * as Plot from '@observablehq/plot';
import type { RatePoint, RateSeries } from './analysis.ts';

/** Width of a panel in pixels: a telephone shows one, a desk four beside each other, neither much scaled. */
export const WIDTH = 290;
export const MARGINS = { marginLeft: 44, marginRight: 12, marginTop: 24, marginBottom: 34 };
/** Room beside the outermost dots, and the pixels that are left for values. */
const INSET = 14;
const PLOT_WIDTH: number = WIDTH - MARGINS.marginLeft - MARGINS.marginRight - 2 * INSET;
/** Pixels from one tick to the next, so that their figures do not touch. */
const TICK_ROOM = 16;

export const INK = 'var(--ink)';
export const SOFT = 'var(--soft)';
export const PAPER = 'var(--paper)';
export const RULE = 'var(--rule)';
/** A colour only repeats what a word says. */
export const colourOf = ({ wrong }: RateSeries): string => (wrong ? 'var(--bad)' : 'var(--accent)');

export const cpusOf = ({ measured }: RatePoint): number => measured.cpus;

/** 391839 as 392k. */
export function compactText(value: number): string {
  const [unit, size] =
    value >= 999_500 ? (['M', 1e6] as const) : value >= 999.5 ? (['k', 1e3] as const) : (['', 1] as const);
  return `${String(Number((value / size).toPrecision(3)))}${unit}`;
}

/** The numbers of CPUs that an axis shows. */
export interface CpuDomain {
  readonly counts: readonly number[];
  readonly from: number;
  readonly to: number;
}

export function cpuDomain(all: readonly RateSeries[]): CpuDomain {
  const counts = [...new Set(all.flatMap(({ points }) => points.map(cpusOf)))].sort((a, b) => a - b);
  const [from = 1, to = 1] = [counts[0], counts.at(-1)];
  return from === to ? { counts, from: from - 1, to: to + 1 } : { counts, from, to };
}

/** A linear axis of CPUs, on which linear scaling is a straight line; ticks where their figures have room. */
export function cpuAxis({ counts, from, to }: CpuDomain): Plot.ScaleOptions {
  const perCpu = PLOT_WIDTH / (to - from);
  const ticks: number[] = [];
  for (const count of [...counts].reverse()) {
    const last = ticks.at(-1);
    if (last === undefined || (last - count) * perCpu >= TICK_ROOM) ticks.push(count);
  }
  return {
    type: 'linear',
    domain: [from, to],
    ticks,
    tickFormat: String,
    label: 'CPUs',
    labelArrow: 'none',
    inset: INSET,
  };
}

/** The shaded ground on which there are more CPUs than cores. The legend names it: words would lie on the dots. */
export function beyondMarks(cores: number, { from, to }: CpuDomain, low: number, high: number): Plot.Markish[] {
  if (to <= cores) return [];
  const begin = Math.max(cores, from);
  const ground = { x1: begin, x2: to, y1: low, y2: high, insetRight: -INSET, insetLeft: begin === from ? -INSET : 0 };
  return [Plot.rect([0], { ...ground, fill: 'var(--shade)' })];
}

/** The line through the points of a series: whole within the cores, dotted beyond. */
export function seriesLine(
  points: readonly { readonly x: number; readonly y: number; readonly hollow: boolean }[],
  stroke: string,
): Plot.Markish[] {
  const within = points.filter(({ hollow }) => !hollow);
  const beyond = [...within.slice(-1), ...points.filter(({ hollow }) => hollow)];
  return [
    Plot.line(within, { x: 'x', y: 'y', stroke, strokeWidth: 2 }),
    Plot.line(beyond, { x: 'x', y: 'y', stroke, strokeWidth: 1, strokeDasharray: '1 4' }),
  ];
}
