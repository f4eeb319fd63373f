// Doubly linked lists of Linux's kind: a head and entries that are all { next, prev }.
//
// Links are checked as with CONFIG_DEBUG_LIST where a missing lock could tear them: a torn list is reported, never
// followed out of the machine.
import type { Cpu } from './cpu.ts';
import { list_head } from './layout.ts';
import { read, write } from './memory.ts';
import type { Steps, Word } from './memory.ts';
import { PRINTK_LIST_CORRUPTION, printk } from './printk.ts';

/** INIT_LIST_HEAD: an empty list. */
export function* INIT_LIST_HEAD(cpu: Cpu, head: Word): Steps<void> {
  yield* write(cpu, head + list_head.next, head);
  yield* write(cpu, head + list_head.prev, head);
}

/** list_add: right behind the head. */
export function* list_add(cpu: Cpu, entry: Word, head: Word): Steps<void> {
  yield* link_between(cpu, entry, head, yield* read(cpu, head + list_head.next));
}

/** list_add_tail: right before the head. */
export function* list_add_tail(cpu: Cpu, entry: Word, head: Word): Steps<void> {
  yield* link_between(cpu, entry, yield* read(cpu, head + list_head.prev), head);
}

function* link_between(cpu: Cpu, entry: Word, prev: Word, next: Word): Steps<void> {
  if (!is_link(cpu, prev) || !is_link(cpu, next)) {
    printk(cpu, PRINTK_LIST_CORRUPTION, entry, prev, next);
    return;
  }
  yield* write(cpu, next + list_head.prev, entry);
  yield* write(cpu, entry + list_head.next, next);
  yield* write(cpu, entry + list_head.prev, prev);
  yield* write(cpu, prev + list_head.next, entry);
}

/** Whether a link points into the machine's structures at all. */
function is_link(cpu: Cpu, link: Word): boolean {
  return link > 0 && link < cpu.ram;
}

/** list_del: false, and nothing unlinked, if its neighbours do not point back to it. */
export function* list_del(cpu: Cpu, entry: Word): Steps<boolean> {
  const next = yield* read(cpu, entry + list_head.next);
  const prev = yield* read(cpu, entry + list_head.prev);
  const whole =
    is_link(cpu, next) &&
    is_link(cpu, prev) &&
    (yield* read(cpu, next + list_head.prev)) === entry &&
    (yield* read(cpu, prev + list_head.next)) === entry;
  if (!whole) {
    printk(cpu, PRINTK_LIST_CORRUPTION, entry, prev, next);
    return false;
  }
  yield* write(cpu, next + list_head.prev, prev);
  yield* write(cpu, prev + list_head.next, next);
  return true;
}

/** list_empty. */
export function* list_empty(cpu: Cpu, head: Word): Steps<boolean> {
  return (yield* read(cpu, head + list_head.next)) === head;
}

/** The first entry, or the head itself where the list is empty. */
export function* list_first(cpu: Cpu, head: Word): Steps<Word> {
  return yield* read(cpu, head + list_head.next);
}

/** The last entry, or the head itself where the list is empty. */
export function* list_last(cpu: Cpu, head: Word): Steps<Word> {
  return yield* read(cpu, head + list_head.prev);
}

/** The entry before another, or the head itself where that is the first. */
export function* list_prev(cpu: Cpu, entry: Word): Steps<Word> {
  return yield* read(cpu, entry + list_head.prev);
}
