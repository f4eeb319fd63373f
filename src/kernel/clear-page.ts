// clear_page at the speed of memset.
//
// JavaScript fills shared memory word by word, since its memory model says that a word must not tear; on a page that
// costs as much as the rest of a fault. WebAssembly's memory.fill is a memset, and its shared memory *is* a
// SharedArrayBuffer, so the machine lives in one and a page is cleared through this 60-byte module:
//
//   (module (import "m" "mem" (memory 1 65536 shared))
//     (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))

/** The module, assembled by hand: types, import, function, export, code. */
const MODULE: Uint8Array<ArrayBuffer> = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x07, 0x01, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x00, 0x02, 0x0d,
  0x01, 0x01, 0x6d, 0x03, 0x6d, 0x65, 0x6d, 0x02, 0x03, 0x01, 0x80, 0x80, 0x04, 0x03, 0x02, 0x01, 0x00, 0x07, 0x08,
  0x01, 0x04, 0x66, 0x69, 0x6c, 0x6c, 0x00, 0x00, 0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02,
  0xfc, 0x0b, 0x00, 0x0b,
]);

/** fill(byte offset, byte value, byte count) of one machine's memory. */
export type Fill = (at: number, value: number, count: number) => void;

/** Compiled for the first machine. */
let compiled: WebAssembly.Module | undefined;
/** Those of the machines that there are: an instance costs more than all else that a CPU needs to be made. */
const fills = new WeakMap<WebAssembly.Memory, Fill>();

/** The fill function of a machine's memory. */
export function fill_of(memory: WebAssembly.Memory): Fill {
  const known = fills.get(memory);
  if (known !== undefined) return known;
  compiled ??= new WebAssembly.Module(MODULE);
  const { fill } = new WebAssembly.Instance(compiled, { m: { mem: memory } }).exports as { fill: Fill };
  fills.set(memory, fill);
  return fill;
}
