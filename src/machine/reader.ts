// Reads a machine's words for a snapshot, and believes none of them: a pointer is checked before it is followed, and
// what leads nowhere is written down as a problem instead of being an error.
import { sizes_of } from '../kernel/cpu.ts';
import {
  FRAME_SHIFT,
  KMEM_CACHE_WORDS,
  MAGIC,
  PAGE_STRUCT_SHIFT,
  header,
  kmem_cache,
  layout,
} from '../kernel/layout.ts';
import type { Layout } from '../kernel/layout.ts';

/** Something that a walk over the machine's structures found broken, and the judge that it belongs to. */
export interface Problem {
  judge: string;
  text: string;
}

/** Problems kept of one snapshot: more would say nothing new, and a torn machine could have millions. */
const MAX_PROBLEMS = 1000;

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** A machine's words, read with bounds. */
export class Reader {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly doubles: Float64Array;
  readonly at: Layout;
  readonly basePfn: number;
  readonly problems: Problem[] = [];
  private readonly freeOf: Map<number, Set<number>> = new Map<number, Set<number>>();

  /** Throws if the buffer holds no machine, or one that does not fit in it: then there is nothing to read. */
  constructor(buffer: SharedArrayBuffer) {
    const words = new Int32Array(buffer);
    if (words[header.magic] !== MAGIC) throw new Error('snapshot: this buffer holds no machine');
    this.words = words;
    this.doubles = new Float64Array(buffer);
    this.at = layout(sizes_of(words));
    if (this.at.words > words.length) throw new Error('snapshot: the machine in this buffer is larger than the buffer');
    this.basePfn = words[header.base_pfn] ?? 0;
  }

  /** The word at an index; 0 outside the machine. */
  word(at: number): number {
    return this.words[at] ?? 0;
  }

  /** The 64-bit integer at an even index; 0 outside the machine. */
  long(at: number): number {
    return this.doubles[at >> 1] ?? 0;
  }

  problem(judge: string, text: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ judge, text });
  }

  /** First word of a CPU's area. */
  area(cpu: number): number {
    return this.at.cpu_areas + cpu * this.at.cpu_area_words;
  }

  pfn(frame: number): string {
    return hex(this.basePfn + frame);
  }

  /** Frame index of a struct page pointer, -1 if it is none. */
  frameOf(pageWord: number): number {
    const offset = pageWord - this.at.mem_map;
    if (offset < 0 || (offset & ((1 << PAGE_STRUCT_SHIFT) - 1)) !== 0) return -1;
    const frame = offset >> PAGE_STRUCT_SHIFT;
    return frame < this.at.frames ? frame : -1;
  }

  /** Frame index of a pfn, -1 if it is not of this machine. */
  frameOfPfn(pfn: number): number {
    const frame = pfn - this.basePfn;
    return frame >= 0 && frame < this.at.frames ? frame : -1;
  }

  /** Frame index of the RAM frame that starts at a word, -1 if none does. */
  frameOfRam(word: number): number {
    const offset = word - this.at.ram;
    if (offset < 0 || (offset & ((1 << FRAME_SHIFT) - 1)) !== 0) return -1;
    const frame = offset >> FRAME_SHIFT;
    return frame < this.at.frames ? frame : -1;
  }

  /** Word of an object cache's kmem_cache. */
  cache(cache: number): number {
    return this.at.caches + cache * KMEM_CACHE_WORDS;
  }

  /** Whether a pointer is that of an object of the cache. */
  isObject(cache: number, word: number): boolean {
    const offset = word - (this.at.objects[cache] ?? 0);
    const size = this.at.object_words[cache] ?? 1;
    return offset >= 0 && offset % size === 0 && offset / size < (this.at.object_counts[cache] ?? 0);
  }

  /** Objects on the free list of a cache, in any order. A list that is not whole is a problem of judge `slab`. */
  freeObjects(cache: number, name: string): Set<number> {
    const known = this.freeOf.get(cache);
    if (known !== undefined) return known;
    const free = new Set<number>();
    this.freeOf.set(cache, free);
    let object = this.word(this.cache(cache) + kmem_cache.free);
    while (object !== 0) {
      if (free.has(object)) {
        this.problem('slab', `BUG ${name}: Object already free (${hex(object)})`);
        break;
      }
      if (!this.isObject(cache, object)) {
        this.problem('slab', `BUG ${name}: Freechain corrupt (${hex(object)} is no object)`);
        break;
      }
      free.add(object);
      object = this.word(object);
    }
    return free;
  }

  /**
   * Entries of a list of Linux's kind, from the first: `visit` gets each link's word and says whether to go on. Ends at
   * the head, at a link that is no link, and after `bound` entries. What is wrong is returned, in few words.
   */
  walkList(head: number, bound: number, visit: (link: number) => boolean): string | undefined {
    let previous = head;
    let link = this.word(head);
    for (let walked = 0; link !== head; walked++) {
      if (link <= 0 || link >= this.at.ram) return `next of ${hex(previous)} is ${hex(link)}, no entry`;
      if (walked >= bound) return 'it never comes back to its head';
      const back = this.word(link + 1);
      if (!visit(link)) return undefined;
      if (back !== previous) return `prev of ${hex(link)} is ${hex(back)}, not ${hex(previous)}`;
      previous = link;
      link = this.word(link);
    }
    return undefined;
  }
}
