// What a machine traced as tracefs prints it: the header of /sys/kernel/tracing/trace, then a line for each event.
//
// The depth of preemption is not kept, and there is no need to reschedule: their columns are always dots.
import type { MachineEvent, MachineTrace } from '../../machine/trace-events.ts';
import { eventText } from './event-text.ts';

/** The task that an event is of. */
export interface Task {
  readonly comm: string;
  readonly pid: number;
}
export type TaskOf = (event: MachineEvent) => Task;

const NS_PER_US = 1000;
const US_PER_S = 1_000_000;
/** TASK_COMM_LEN without the byte that ends it. */
const COMM_CHARACTERS = 15;

const LEGEND: readonly string[] = [
  '#                                _-----=> irqs-off/BH-disabled',
  '#                               / _----=> need-resched',
  '#                              | / _---=> hardirq/softirq',
  '#                              || / _--=> preempt-depth',
  '#                              ||| / _-=> migrate-disable',
  '#                              |||| /     delay',
  '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
  '#              | |         |   |||||     |         |',
];

/** The text, with its last line ended. */
export function renderMachineFtrace(trace: MachineTrace, taskOf: TaskOf): string {
  // The kernel has no tracepoint where a fault ends.
  const events = trace.events.filter(({ name }) => name !== 'page_fault_end');
  const lost = new Map(trace.cpus.map((cpu) => [cpu.cpu, cpu.lost]));
  const written = trace.cpus.reduce((sum, cpu) => sum + cpu.lost, events.length);
  const lines = [
    '# tracer: nop',
    '#',
    `# entries-in-buffer/entries-written: ${String(events.length)}/${String(written)}   #P:${String(trace.cpus.length)}`,
    '#',
    ...LEGEND,
  ];
  for (const event of events) {
    const missed = lost.get(event.cpu) ?? 0;
    if (missed > 0) lines.push(`CPU:${String(event.cpu)} [LOST ${String(missed)} EVENTS]`);
    lost.delete(event.cpu);
    lines.push(eventLine(event, taskOf(event)));
  }
  return `${lines.join('\n')}\n`;
}

function eventLine(event: MachineEvent, { comm, pid }: Task): string {
  const task = `${comm.slice(0, COMM_CHARACTERS).padStart(16)}-${String(pid).padEnd(7)}`;
  const cpu = `[${String(event.cpu).padStart(3, '0')}]`;
  const microseconds = Math.floor(event.time / NS_PER_US);
  const seconds = String(Math.floor(microseconds / US_PER_S)).padStart(5);
  const time = `${seconds}.${String(microseconds % US_PER_S).padStart(6, '0')}`;
  return `${task} ${cpu} ${event.irqsOff ? 'd' : '.'}.... ${time}: ${event.name}: ${eventText(event)}`;
}
