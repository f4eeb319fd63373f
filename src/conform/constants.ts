// Constants of Linux's system calls that programs are made of and that the simulated kernel has no name for.

export const MAP_LOCKED = 0x2000;
export const MAP_POPULATE = 0x8000;
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;
export const MADV_PAGEOUT = 21;
