// The recorded process's address space as the planner follows it: which kind of memory is where.

export type RegionKind = 'anonymous' | 'file' | 'shared' | 'special';

/** MADV_HUGEPAGE: faults here may have made huge pages, which are not modelled. */
export const HUGE = 14;

/** A range of one kind. */
export interface Region {
  start: number;
  end: number;
  kind: RegionKind;
  stack: boolean;
  /** Last madvise that changes how faults are handled; 0 for none. */
  advice: number;
}

/** Pages that a stack may grow by. */
const STACK_REACH = 8 * 1024 * 1024;

/** Regions in address order. */
export class AddressSpace {
  private regions: Region[] = [];
  private heapEnd = 0;

  /** The region that an address lies in. */
  at(address: number): Region | undefined {
    return this.regions.find((region) => region.start <= address && address < region.end);
  }

  /** Whether a stack above could have grown down to the address. */
  stackBelow(address: number): boolean {
    return this.regions.some(
      (region) => region.stack && address < region.start && region.start - address < STACK_REACH,
    );
  }

  map(start: number, end: number, kind: RegionKind, stack: boolean): void {
    this.unmap(start, end);
    this.regions.push({ start, end, kind, stack, advice: 0 });
  }

  unmap(start: number, end: number): void {
    this.regions = this.regions.flatMap((region) => {
      if (region.end <= start || region.start >= end) return [region];
      const left = region.start < start ? [{ ...region, end: start }] : [];
      const right = region.end > end ? [{ ...region, start: end }] : [];
      return [...left, ...right];
    });
  }

  advise(start: number, end: number, advice: number): void {
    if (advice !== HUGE && advice !== HUGE + 1) return;
    const inside = this.regions.filter((region) => region.end > start && region.start < end);
    for (const region of inside) {
      this.map(Math.max(start, region.start), Math.min(end, region.end), region.kind, region.stack);
      const made = this.at(Math.max(start, region.start));
      if (made !== undefined) made.advice = advice;
    }
  }

  growStack(start: number, end: number): void {
    const stack = this.at(end - 4096);
    if (stack !== undefined) stack.start = Math.min(stack.start, start);
  }

  /** The heap now ends at `end`; returns where it ended before. */
  setBrk(start: number, end: number): number {
    const before = this.heapEnd === 0 ? start : this.heapEnd;
    if (end > before) this.map(before, end, 'anonymous', false);
    else this.unmap(end, before);
    this.heapEnd = end;
    return before;
  }
}
