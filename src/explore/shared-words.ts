// Which words CPUs share: found out by looking at who touches what, execution by execution.
//
// A word is shared once two CPUs have touched it in one execution by accesses that do not commute. A page that is touched
// as a whole is one entry, as long as one CPU alone touches anything in it: most pages are cleared by whoever goes on to
// use them.
import type { Step } from '../kernel/memory.ts';
import { classesConflict, widestClass } from './footprint.ts';

/** In an entry: more than one CPU. */
const MANY = 255;
/** An entry: the execution it is of, above who touched it, above the classes of the accesses. */
const OWNER_SHIFT = 4;
const GENERATION_SHIFT = 12;
const CLASSES = (1 << OWNER_SHIFT) - 1;
/** Executions that can be told apart. */
const GENERATIONS = 1 << (31 - GENERATION_SHIFT);

const PAGE_SHIFT = 10;
const PAGE_WORDS = 1 << PAGE_SHIFT;

/** The words of one memory. */
export class SharedWords {
  /** 1: shared, as far as is known. */
  readonly is: Uint8Array;
  /** 1: shared, as was known when this execution began: what store buffers go by, so that a schedule means one thing. */
  private readonly before: Uint8Array;
  private readonly fresh: number[] = [];
  /** More words are shared than was known when this execution began. */
  discovered = false;
  private readonly entries: Int32Array;
  private readonly pages: Int32Array;
  /** Pages with a word that is shared: 1. */
  private readonly mixed: Uint8Array;
  private generation = 0;
  private frozen = false;

  /** For `words` words, all of which one CPU alone touches as far as is known. */
  constructor(words: number) {
    this.is = new Uint8Array(words);
    this.before = new Uint8Array(words);
    this.entries = new Int32Array(words);
    const pages = (words >> PAGE_SHIFT) + 1;
    this.pages = new Int32Array(pages);
    this.mixed = new Uint8Array(pages);
  }

  /** Another execution begins. */
  begin(): void {
    this.discovered = false;
    for (const word of this.fresh) this.before[word] = 1;
    this.fresh.length = 0;
    this.generation += 1;
    if (this.generation < GENERATIONS) return;
    this.generation = 1;
    this.entries.fill(0);
    this.pages.fill(0);
  }

  /** Tells that a word is shared, before an execution begins. */
  add(word: number): void {
    this.mark(word);
    this.before[word] = 1;
  }

  private mark(word: number): void {
    this.is[word] = 1;
    this.mixed[word >> PAGE_SHIFT] = 1;
  }

  /**
   * From now on every execution is as this one: nothing more is found out, and store buffers go on by what was known when
   * it began.
   */
  freeze(): void {
    this.frozen = true;
    this.fresh.length = 0;
  }

  /** Knows nothing any more. */
  forget(): void {
    this.is.fill(0);
    this.before.fill(0);
    this.mixed.fill(0);
    this.fresh.length = 0;
  }

  /** Whether one of `width` words is shared. */
  has(word: number, width: number): boolean {
    const end = word + width;
    for (let w = word; w < end; w++) if (this.is[w] !== 0) return true;
    return false;
  }

  /** The first of `width` words that was known to be shared when this execution began; -1: none was. */
  firstKnown(word: number, width: number): number {
    const end = word + width;
    for (let w = word; w < end; w++) if (this.before[w] !== 0) return w;
    return -1;
  }

  /** All words that were known to be shared when this execution began, in ascending order. */
  listBefore(): number[] {
    return this.list().filter((word) => this.before[word] !== 0);
  }

  /** All words that are known to be shared, in ascending order. */
  list(): number[] {
    const words: number[] = [];
    for (let word = this.is.indexOf(1); word >= 0; word = this.is.indexOf(1, word + 1)) words.push(word);
    return words;
  }

  /** Notes that a CPU touches a step's words; whether one of them is shared, as far as is known now. */
  touch(cpu: number, step: Step): boolean {
    const { word, width, also } = step;
    const cls = widestClass(step.kind);
    const seen = also !== 0 && this.is[also] !== 0;
    if (this.frozen) return seen || this.has(word, width);
    if (width === PAGE_WORDS && (word & (PAGE_WORDS - 1)) === 0) return this.touchPage(cpu, word, cls) || seen;
    return this.touchWords(cpu, word, width, cls) || seen;
  }

  private touchWords(cpu: number, from: number, width: number, cls: number): boolean {
    let seen = false;
    const end = from + width;
    for (let word = from; word < end; word++) {
      if (this.is[word] !== 0) seen = true;
      else if (this.touchWord(cpu, word, cls)) {
        this.mark(word);
        this.fresh.push(word);
        this.discovered = true;
        seen = true;
      }
    }
    return seen;
  }

  /** Whether this touch makes a word shared. */
  private touchWord(cpu: number, word: number, cls: number): boolean {
    const { entries, generation } = this;
    const entry = entries[word]!;
    if (entry >> GENERATION_SHIFT !== generation) return this.touchFirst(cpu, word, cls);
    if (ownerOf(entry) === cpu) {
      entries[word] = entry | cls;
      return false;
    }
    // The other CPU may have touched the page as a whole since.
    if (ownerOf(entry) !== MANY) this.split(word >> PAGE_SHIFT);
    const as = (entries[word]! & CLASSES) | cls;
    entries[word] = this.entry(MANY, as);
    return as !== cls || classesConflict(cls, cls);
  }

  /** The first touch of a word by itself in this execution: its page may have been touched as a whole. */
  private touchFirst(cpu: number, word: number, cls: number): boolean {
    const page = word >> PAGE_SHIFT;
    const whole = this.pages[page]!;
    const isOld = whole >> GENERATION_SHIFT !== this.generation;
    if (!isOld && ownerOf(whole) !== cpu) {
      this.split(page);
      if (this.entries[word]! >> GENERATION_SHIFT === this.generation) return this.touchWord(cpu, word, cls);
    } else if (isOld) this.pages[page] = this.entry(cpu, 0);
    this.entries[word] = this.entry(cpu, cls | (isOld ? 0 : whole & CLASSES));
    return false;
  }

  private touchPage(cpu: number, word: number, cls: number): boolean {
    const page = word >> PAGE_SHIFT;
    const whole = this.pages[page]!;
    const isOld = whole >> GENERATION_SHIFT !== this.generation;
    if (!isOld && ownerOf(whole) !== cpu) {
      this.split(page);
      return this.touchWords(cpu, word, PAGE_WORDS, cls);
    }
    this.pages[page] = isOld ? this.entry(cpu, cls) : whole | cls;
    return this.mixed[page] !== 0 && this.has(word, PAGE_WORDS);
  }

  /** More than one CPU touches a page: from now on each word has its own entry. */
  private split(page: number): void {
    const { entries, generation } = this;
    const whole = this.pages[page]!;
    if (ownerOf(whole) === MANY) return;
    this.pages[page] = this.entry(MANY, 0);
    if ((whole & CLASSES) === 0) return;
    const from = page << PAGE_SHIFT;
    const end = Math.min(from + PAGE_WORDS, entries.length);
    for (let word = from; word < end; word++) {
      const entry = entries[word]!;
      entries[word] = entry >> GENERATION_SHIFT === generation ? entry | (whole & CLASSES) : whole;
    }
  }

  private entry(owner: number, classes: number): number {
    return (this.generation << GENERATION_SHIFT) | (owner << OWNER_SHIFT) | classes;
  }
}

function ownerOf(entry: number): number {
  return (entry >> OWNER_SHIFT) & 0xff;
}
