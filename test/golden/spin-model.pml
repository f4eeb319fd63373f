byte program, threads, x;
bool lock;

proctype lost_update(byte i) {
  byte seen;
  seen = x;
  x = seen + (1 << i)
}

proctype page_fault(byte i) {
  if
  :: x != 0
  :: else ->
    atomic { !lock -> lock = true };
    if
    :: x != 0
    :: else -> d_step { assert(x == 0); x = i + 1 }
    fi;
    lock = false;
  fi
}

proctype page_fault_no_recheck(byte i) {
  if
  :: x != 0
  :: else ->
    atomic { !lock -> lock = true };
    d_step { assert(x == 0); x = i + 1 };
    lock = false;
  fi
}

proctype page_fault_no_lock(byte i) {
  if
  :: x != 0
  :: else ->
    if
    :: x != 0
    :: else -> d_step { assert(x == 0); x = i + 1 }
    fi;
  fi
}

proctype mutex(byte i) {
  byte seen;
  atomic { !lock -> lock = true };
  seen = x;
  x = seen + 1;
  lock = false;
}

proctype xadd(byte i) {
  byte seen;
  d_step { seen = x; x = seen + 1 }
}

init {
  byte i;
  atomic {
    c_code { now.program = atoi(getenv("PROGRAM")); now.threads = atoi(getenv("THREADS")); };
    for (i : 0 .. threads - 1) {
      if
      :: program == 0 -> run lost_update(i)
      :: program == 1 -> run page_fault(i)
      :: program == 2 -> run page_fault_no_recheck(i)
      :: program == 3 -> run page_fault_no_lock(i)
      :: program == 4 -> run mutex(i)
      :: program == 5 -> run xadd(i)
      fi
    }
  };
  _nr_pr == 1;
  assert((program != 0 || x == (1 << threads) - 1) && (program != 1 || x != 0) && (program != 2 || x != 0) && (program != 3 || x != 0) && (program != 4 || x == threads) && (program != 5 || x == threads))
}
