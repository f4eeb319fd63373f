// What the lab's page-table panel must show of a state of the machine, written down apart from the panel.
import type { FrameState, MachineState } from '../../src/report/machine-state.ts';

const PAGE_NAMES = 'pqrstuvw';

function pfnOf(entry: string): number {
  return Number((BigInt(`0x${entry}`) >> 12n) & 0xffffffffffn);
}

function frameName({ letter, kind }: FrameState): string {
  return letter ?? (kind === 'folio' ? 'earlier folio' : kind);
}

/** One line for each thing that the panel shows, in the order of the panel. `nameOf`: what words are called. */
export function stateText(state: MachineState, weak: boolean, nameOf: (word: number) => string): string[] {
  const pages = state.pages.flatMap((page, i) => {
    const name = PAGE_NAMES[i] ?? '';
    const entries = (['pgd', 'pud', 'pmd', 'pte'] as const).map(
      (level) => `${level} ${name}: ${page[level] === '0' ? 'none' : `0x${page[level]}`}`,
    );
    const { ptl } = page;
    return [...entries, `lock ${name}: ${ptl === undefined ? '-' : ptl === -1 ? 'free' : `CPU ${String(ptl)}`}`];
  });
  const frames = state.frames.flatMap((frame) => [
    `frame: 0x${frame.pfn.toString(16)}`,
    `what: ${frameName(frame)}`,
    `refs: ${String(frame.refcount)}`,
    `maps: ${frame.kind === 'folio' ? String(frame.mapcount) : '-'}`,
    `paid for: ${frame.charged ? 'yes' : 'no'}`,
    `batch: ${frame.batch === -1 ? '-' : `CPU ${String(frame.batch)}`}`,
    `words: ${frame.words.map(([offset, value]) => `[${String(offset / 4)}] ${String(value)}`).join(' ')}`.trim(),
  ]);
  const tlb = state.tlb.map(({ cpu, address, entry }) => {
    const page = state.pages.findIndex((one) => one.address === address);
    const frame = state.frames.find(({ pfn }) => pfn === pfnOf(entry));
    const isStale = pfnOf(state.pages[page]?.pte ?? '0') !== pfnOf(entry);
    const what = frame === undefined ? 'a frame that is gone' : frameName(frame);
    return `tlb: CPU ${String(cpu)}: ${PAGE_NAMES[page] ?? ''} ${what}${isStale ? ' stale' : ''}`;
  });
  const buffers = state.buffers.map(
    ({ cpu, word, value }) => `buffer: CPU ${String(cpu)}: ${nameOf(word)} = ${String(value)}`,
  );
  return [
    ...pages,
    ...frames,
    `rss: ${String(state.rss)}`,
    `charged: ${String(state.usage)}`,
    ...tlb,
    ...(weak ? buffers : []),
  ];
}
