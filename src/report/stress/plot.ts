// Draws a chart to SVG text without a browser, and names it for people who do not see it.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Markup } from './markup.ts';

/** How a chart is called, and what it shows, in words. */
export interface ChartName {
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

const SVG = 'http://www.w3.org/2000/svg';
const { document } = parseHTML('<!doctype html><html><body></body></html>');

/** Digits beyond a hundredth of a pixel are nothing but bytes. */
function shorten(element: Element): void {
  for (const { name, value } of [...element.attributes]) {
    if (/\.\d{3}/.test(value))
      element.setAttribute(
        name,
        value.replace(/-?\d+\.\d{3,}/g, (n) => String(Number(Number(n).toFixed(2)))),
      );
  }
}

/** The chart: one image to a screen reader, with a title and a description. */
export function drawChart(options: Plot.PlotOptions, { id, title, description }: ChartName): Markup {
  // A plot without title, caption and legend is an SVG element.
  const svg = Plot.plot({ ...options, className: 'chart', document }) as unknown as SVGSVGElement;
  svg.querySelector('style')?.remove();
  for (const element of svg.querySelectorAll('*')) {
    element.removeAttribute('aria-label');
    shorten(element);
  }
  svg.setAttribute('xmlns', SVG);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-labelledby', `${id}-title ${id}-desc`);
  for (const [tag, text] of [
    ['desc', description],
    ['title', title],
  ] as const) {
    const element = document.createElementNS(SVG, tag);
    element.setAttribute('id', `${id}-${tag}`);
    element.textContent = text;
    svg.insertBefore(element, svg.firstChild);
  }
  return new Markup(svg.outerHTML);
}
