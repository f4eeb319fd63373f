// Object caches: mm_struct, vm_area_struct, anon_vma and the rest come from fixed pools in the machine.
//
// Free objects are chained through their first word. An anon_vma may be looked at after it was freed
// (SLAB_TYPESAFE_BY_RCU): its memory stays an anon_vma for ever, which fixed pools give for nothing.
import type { Cpu } from '../cpu.ts';
import { KMEM_CACHE_WORDS, LOCK_SLAB, NR_CACHES, kmem_cache } from '../layout.ts';
import { rcu_barrier } from '../locking/rcu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { clear_words, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { PRINTK_SLAB_EXHAUSTED, printk } from '../printk.ts';
import { SITE_SLAB, should_fail } from './fail_page_alloc.ts';

function cache_word(cpu: Cpu, cache: number): Word {
  return cpu.layout.caches + cache * KMEM_CACHE_WORDS;
}

/** kmem_cache_init: chains the objects of every cache. At boot, by one CPU. */
export function* kmem_cache_init(cpu: Cpu): Steps<void> {
  for (let cache = 0; cache < NR_CACHES; cache++) {
    const at = cache_word(cpu, cache);
    const words = cpu.layout.object_words[cache]!;
    const count = cpu.layout.object_counts[cache]!;
    const start = cpu.layout.objects[cache]!;
    yield* write(cpu, at + kmem_cache.object_words, words);
    yield* write(cpu, at + kmem_cache.objects, count);
    yield* write(cpu, at + kmem_cache.start, start);
    yield* write(cpu, at + kmem_cache.free, count > 0 ? start : 0);
    for (let i = 0; i < count; i++) {
      const object = start + i * words;
      yield* write(cpu, object, i + 1 < count ? object + words : 0);
    }
  }
}

/** kmem_cache_zalloc: a zeroed object; 0 when the pool is empty or the allocation is made to fail. */
export function* kmem_cache_alloc(cpu: Cpu, cache: number): Steps<Word> {
  if (yield* should_fail(cpu, SITE_SLAB)) return 0;
  const at = cache_word(cpu, cache);
  yield* spin_lock(cpu, at + kmem_cache.lock, LOCK_SLAB);
  const object = yield* read(cpu, at + kmem_cache.free);
  if (object !== 0) {
    yield* write(cpu, at + kmem_cache.free, yield* read(cpu, object));
    yield* write(cpu, at + kmem_cache.in_use, (yield* read(cpu, at + kmem_cache.in_use)) + 1);
  }
  yield* spin_unlock(cpu, at + kmem_cache.lock);
  if (object === 0) return 0;
  yield* clear_words(cpu, object, cpu.layout.object_words[cache]!);
  return object;
}

/**
 * kmem_cache_alloc for caches whose objects come back by RCU: an empty pool is waited for once, until every reader of
 * what was freed has gone. May sleep, so not inside a reader nor under a spinlock.
 */
export function* kmem_cache_alloc_wait(cpu: Cpu, cache: number): Steps<Word> {
  const object = yield* kmem_cache_alloc(cpu, cache);
  if (object !== 0) return object;
  yield* rcu_barrier(cpu);
  const later = yield* kmem_cache_alloc(cpu, cache);
  if (later === 0) printk(cpu, PRINTK_SLAB_EXHAUSTED, cache);
  return later;
}

/** kmem_cache_free. */
export function* kmem_cache_free(cpu: Cpu, cache: number, object: Word): Steps<void> {
  const at = cache_word(cpu, cache);
  yield* spin_lock(cpu, at + kmem_cache.lock, LOCK_SLAB);
  yield* write(cpu, object, yield* read(cpu, at + kmem_cache.free));
  yield* write(cpu, at + kmem_cache.free, object);
  yield* write(cpu, at + kmem_cache.in_use, (yield* read(cpu, at + kmem_cache.in_use)) - 1);
  yield* spin_unlock(cpu, at + kmem_cache.lock);
}
