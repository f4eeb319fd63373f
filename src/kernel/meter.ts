// How long faults, waits and holds last: measured by each CPU for itself, on a machine that is asked to.
//
// Reading a clock costs a tenth of a fault, so that only some are timed: one fault in FAULT_ONE_IN, one hold in
// HOLD_ONE_IN, at random distances, lest they keep step with anything. Waits are timed all: who waits has the time.
// Direct execution only; a stepped machine has no time.
import type { Cpu } from './cpu.ts';
import { LATENCY_BUCKETS, MAX_CPUS, METER_CLASS_WORDS, meter, meter_class } from './layout.ts';
import { STEPPED, control_read, local_read, local_read_long, local_write, local_write_long } from './memory.ts';
import type { Word } from './memory.ts';

export const FAULT_ONE_IN = 8;
export const HOLD_ONE_IN = 64;
/** Faults and holds until an unmetered CPU asks itself again whether it is one: never, for all that matters. */
export const UNMETERED = 0x3fffffff;

/** Nanoseconds since the thread began. */
function now_ns(): number {
  return STEPPED ? 0 : performance.now() * 1e6;
}

/** A random distance whose mean is `one_in`. */
function next_distance(cpu: Cpu, one_in: number): number {
  let random = cpu.meter_random;
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  cpu.meter_random = random;
  return 1 + ((random >>> 1) % (2 * one_in - 1));
}

function class_meter(cpu: Cpu, lock_class: number): Word {
  return cpu.meters + meter.classes + lock_class * METER_CLASS_WORDS;
}

/** Adds a time to a sum and a maximum. */
function add_time(cpu: Cpu, total: Word, max: Word, ns: number): void {
  local_write_long(cpu, total, local_read_long(cpu, total) + ns);
  if (ns > local_read_long(cpu, max)) local_write_long(cpu, max, ns);
}

/** A fault begins that may be timed: when, or 0 where it is not. */
export function begin_fault(cpu: Cpu): number {
  cpu.fault_countdown = cpu.metered ? next_distance(cpu, FAULT_ONE_IN) : UNMETERED;
  return cpu.metered ? now_ns() : 0;
}

/** A fault ends that began at `since`. */
export function end_fault(cpu: Cpu, since: number): void {
  const ns = now_ns() - since;
  const bucket = cpu.meters + meter.latency + latency_bucket(ns);
  local_write(cpu, bucket, local_read(cpu, bucket) + 1);
  const max = cpu.meters + meter.latency_max;
  if (ns > local_read_long(cpu, max)) local_write_long(cpu, max, ns);
}

/** A CPU begins to wait for a lock: when, or 0 where it is not timed. `holder` is the word with its holder. */
export function begin_wait(cpu: Cpu, lock_class: number, holder: Word): number {
  if (!cpu.metered) return 0;
  const who = control_read(cpu, holder);
  if (who > 0 && who <= MAX_CPUS) {
    const times = class_meter(cpu, lock_class) + meter_class.waited_for + who - 1;
    local_write(cpu, times, local_read(cpu, times) + 1);
  }
  return now_ns();
}

/** A wait for a lock ends that began at `since`. */
export function end_wait(cpu: Cpu, lock_class: number, since: number): void {
  if (since === 0) return;
  const at = class_meter(cpu, lock_class);
  add_time(cpu, at + meter_class.wait_total, at + meter_class.wait_max, now_ns() - since);
}

/** A lock was taken whose hold may be timed. */
export function begin_hold(cpu: Cpu, lock: Word, lock_class: number): void {
  cpu.hold_countdown = cpu.metered ? next_distance(cpu, HOLD_ONE_IN) : UNMETERED;
  // One at a time: what is taken while a timed lock is held is not timed.
  if (!cpu.metered || cpu.timed_lock !== 0) return;
  cpu.timed_lock = lock;
  cpu.timed_class = lock_class;
  cpu.timed_since = now_ns();
}

/** The lock is released whose hold is being timed. */
export function end_hold(cpu: Cpu): void {
  const at = class_meter(cpu, cpu.timed_class);
  add_time(cpu, at + meter_class.hold_total, at + meter_class.hold_max, now_ns() - cpu.timed_since);
  local_write(cpu, at + meter_class.holds, local_read(cpu, at + meter_class.holds) + 1);
  cpu.timed_lock = 0;
}

/** Buckets of an octave of the latency histogram, as a power of two: a bucket is a sixteenth of its values wide. */
const SUB_SHIFT = 4;

/** The bucket of a time in nanoseconds: one each up to 16, then 16 for each octave. */
export function latency_bucket(ns: number): number {
  const whole = Math.floor(ns);
  if (whole < 1 << SUB_SHIFT) return Math.max(whole, 0);
  const octave = Math.floor(Math.log2(whole));
  const sub = Math.floor(whole / 2 ** (octave - SUB_SHIFT)) - (1 << SUB_SHIFT);
  return Math.min(((octave - SUB_SHIFT + 1) << SUB_SHIFT) + sub, LATENCY_BUCKETS - 1);
}

/** The highest time that falls into a bucket, in nanoseconds. */
export function bucket_limit(bucket: number): number {
  if (bucket < 1 << SUB_SHIFT) return bucket;
  const octave = (bucket >> SUB_SHIFT) - 1;
  const sub = bucket & ((1 << SUB_SHIFT) - 1);
  return ((1 << SUB_SHIFT) + sub + 1) * 2 ** octave - 1;
}
