// Figures as people read them on a page.
import { grouped, timeText } from '../text.ts';

/** µ where text for a terminal has u. */
export const timeWords = (ns: number): string => timeText(ns).replace(' us', ' µs');
export const percentWords = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

/** Three digits: of losses, and of the terms of a fit. */
export function threeDigits(value: number): string {
  if (value === 0) return '0';
  if (value >= 999.5) return grouped(value);
  return value >= 0.001 ? value.toPrecision(3) : value.toExponential(1);
}

export const timesWords = (ratio: number): string => `${ratio.toFixed(2)} ×`;
