// What is seen of a program: by the oracle of a running kernel, and of the simulated machine, in one and the same form.

/** What a process shows of itself after an operation, as the kernel prints it. */
export interface Look {
  process: number;
  /** /proc/PID/smaps, the arena's part. */
  smaps: string;
  /** Lines of /proc/PID/status. */
  status: string;
  /** For each window a letter for each page: 1 resident, 0 not, - not mapped. */
  mincore: string[];
  /** For each window the entries of /proc/PID/pagemap, hexadecimal, with spaces between them. */
  pagemap: string[];
  /** Of the simulated machine: the anon_vma of each VMA by its first address, 0 for none. No kernel shows that. */
  anonVmas?: ReadonlyMap<number, number>;
}

/** One operation's result. */
export interface Step {
  /** What it returned: a number, or a negative error; of a load the value, hexadecimal. */
  value: number | string;
  /** 0 for none. */
  signal: number;
  minor: number;
  major: number;
  /** Every live process; null where other threads were running. */
  seen: Look[] | null;
}

/** A whole program's results: what there was before it, and every step of stepsOf(). */
export interface Run {
  start: Look[];
  steps: Step[];
}

/** What kind of kernel the oracle runs on. */
export interface About {
  release: string;
  /** Frame of the zero page, hexadecimal; 0 where frame numbers are not to be had, which needs root. */
  zeroPfn: string;
  /** CONFIG_MEM_SOFT_DIRTY. */
  softDirty: boolean;
  /** Whether the break can be moved into the arena. */
  movesBrk: boolean;
  /** Whether userfaultfd can be had whose monitor answers the faults of system calls, too. */
  userfaultfd: boolean;
}
