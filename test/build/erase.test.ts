// The eraser makes the direct twin that real threads run: what it may do to the kernel's source, and what it must refuse.
import { SourceMap, type SourceMapPayload } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erased } from '../support/erased.ts';

/** The twin's code, blanks squeezed, so that a line of it fits a line here. */
function twin(source: string, others: Record<string, string> = {}): string {
  return erased({ 'a.ts': source, ...others })
    .code.replace(/^"use strict";/, '')
    .replace(/\s+/g, ' ')
    .trim();
}

describe('yields', () => {
  it.each([
    ['function* f() { yield a; b(); }', 'function f() { b(); }'],
    ['function* f() { const x = yield* g(); return yield* h(x); }', 'function f() { const x = g(); return h(x); }'],
    ['function* f() { return g(yield* a(), yield* yield* b()); }', 'function f() { return g(a(), b()); }'],
    ['const f = function* () { yield a; };', 'const f = function () { };'],
    ['class A { *m() { yield 1; } static *s() { yield* this.m(); } }', 'class A { m() { } static s() { this.m(); } }'],
    ['const o = { *m() { yield 1; } };', 'const o = { m() { } };'],
    ['function* f() { while (yield* g()) { yield a; } }', 'function f() { while (g()) { } }'],
    ['function* f() { switch (x) { case 1: yield a; break; } }', 'function f() { switch (x) { case 1: break; } }'],
    ['function f() { return g(); }', 'function f() { return g(); }'],
  ])('%s', (source, expected) => {
    expect(twin(source)).toBe(expected);
  });

  it.each([
    ['function* f() { if (a()) yield b; c(); }', 'function f() { c(); }'],
    ['function* f() { if (a) b(); else if (c()) yield d; }', 'function f() { if (a) b(); }'],
    ['function* f() { while (a) if (b()) yield c; }', 'function f() { while (a) ; }'],
    ['function* f() { if (a) b(); else yield c; }', 'function f() { if (a) b(); }'],
    ['function* f() { if (a) yield b; else c(); }', 'function f() { if (a) ; else c(); }'],
    ['function* f() { for (;;) yield a; }', 'function f() { for (;;) ; }'],
  ])('as the only statement of a branch or loop: %s', (source, expected) => {
    expect(twin(source)).toBe(expected);
  });

  it.each(['const x = yield a;', 'return yield a;', 'f(yield a);', '(yield a);', 'if (yield a) b();'])(
    'refuses a yield whose value is used: %s',
    (statement) => {
      expect(() => twin(`\nfunction* f() {\n  ${statement}\n}`)).toThrow(
        '/kernel/a.ts:3: a yield must stand alone as a statement',
      );
    },
  );

  it('refuses an async generator', () => {
    expect(() => twin('async function* f() { yield 1; }')).toThrow(
      '/kernel/a.ts:1: an async generator has no direct twin',
    );
  });
});

describe('STEPPED', () => {
  it.each([
    ['export const STEPPED: boolean = true;', 'export const STEPPED = false;'],
    ['if (STEPPED) { a(); } else { b(); }', '{ b(); }'],
    ['if (!STEPPED) { a(); } else { b(); }', '{ a(); }'],
    ['if (STEPPED) a();', ''],
    ['if (x) a(); else if (STEPPED) b(); else if (!STEPPED) c();', 'if (x) a(); else c();'],
    ['while (x) if (STEPPED) a();', 'while (x) ;'],
    ['const x = STEPPED ? a : b;', 'const x = b;'],
    ['const x = STEPPED && a(); const y = !STEPPED && b();', 'const x = false; const y = b();'],
    ['const x = STEPPED || a(); const y = !(STEPPED) || b();', 'const x = a(); const y = true;'],
    ['function* f() { if (STEPPED) { const x = yield a; } }', 'function f() { }'],
  ])('is false: %s', (source, expected) => {
    expect(twin(source)).toBe(expected);
  });
});

describe('source map', () => {
  it('leads from the twin back to the line of the generator', () => {
    const source = '// first line\nexport function* f() {\n  yield 1;\n  yield 2;\n  return yield* g(marker);\n}\n';
    const { code, map } = erased({ 'a.ts': source });
    const lines = code.split('\n');
    const line = lines.findIndex((text) => text.includes('marker'));
    expect(line).not.toBe(4);
    const entry = new SourceMap(JSON.parse(map) as SourceMapPayload).findEntry(
      line,
      lines[line]?.indexOf('marker') ?? -1,
    );
    expect(entry).toMatchObject({ originalSource: 'a.ts', originalLine: 4 });
  });
});

describe('inlining', () => {
  const accessors = {
    'm.ts': `
      /** @inline */ export function* read(cpu: any, word: number) { yield 1; return cpu.words[word]!; }
      /** @inline */ export function* write(cpu: any, word: number, value: number) { yield 1; cpu.words[word] = value; }
      /** @inline */ export function square(x: number) { return x * x; }
      /** @inline */ export function next(x: number) { return x++; }
      /** @inline */ export function pair(lo: number, hi: number) { return { lo, hi: hi }; }
      /** @inline */ export function later(x: number) { return () => x; }
      /** @inline */ export function logged(x: number) { log(); return x; }
      /** @inline */ export function either(x: number, y = 1) { return x + y; }
      export function untagged(x: number) { return x; }`,
    'n.ts': 'export function square(x: number) { return -x; }',
  };
  const body = (imported: string, statement: string, from = './m.ts'): string =>
    twin(`import { ${imported} } from '${from}';\n${statement}`, accessors).replace(
      /^import .*?; | export \{\};$/g,
      '',
    );

  it.each([
    ['read', 'function* f() { return yield* read(cpu, p + 1); }', 'function f() { return (cpu.words[(p + 1)]); }'],
    ['write', 'function* f() { yield* write(cpu, 2, v); }', 'function f() { (cpu.words[2] = v); }'],
    ['square', 'f(square(a.b - 3));', 'f(((a.b - 3) * (a.b - 3)));'],
    ['square', 'f(1 / square(-n));', 'f(1 / ((-n) * (-n)));'],
    ['square as sq', 'f(sq(3));', 'f((3 * 3));'],
  ])('puts the body in place of the call: %s: %s', (imported, statement, expected) => {
    expect(body(imported, statement)).toBe(expected);
  });

  it.each([
    ['an argument that is itself a call', 'square', 'f(square(g()));'],
    ['an argument that stores', 'square', 'f(square(x++));'],
    ['an element of an array', 'square', 'f(square(a[0]));'],
    ['a missing argument', 'either', 'f(either(1));'],
    ['a default', 'either', 'f(either(1, undefined));'],
    ['a body of two statements', 'logged', 'f(logged(1));'],
    ['a body that stores to its parameter', 'next', 'f(next(x));'],
    ['a body that makes an object', 'pair', 'f(pair(a, 1));'],
    ['a body that makes a function', 'later', 'f(later(x));'],
    ['no @inline', 'untagged', 'f(untagged(x));'],
    ['a parameter of that name', 'square', 'function f(square) { return square(3); }'],
    ['a local of that name', 'square', 'function f() { const square = g; return square(3); }'],
    ['another function imported under that name', 'untagged as square', 'f(square(3));'],
  ])('leaves the call: %s', (_why, imported, statement) => {
    expect(body(imported, statement)).toBe(statement);
  });

  it('leaves a function of the same name in another file', () => {
    expect(body('square', 'f(square(3));', './n.ts')).toBe('f(square(3));');
  });

  it('changes nothing but speed', async () => {
    const source = `
      /** @inline */ export function* read(cpu: any, word: number) { yield 1; return cpu.words[word]!; }
      /** @inline */ export function* write(cpu: any, word: number, value: number) { yield 1; cpu.words[word] = value; }
      /** @inline */ export function mix(x: number, y: number) { return x * 3 - y; }
      /** @inline */ export function* swap(cpu: any, word: number, v: number) { return Atomics.exchange(cpu.words, word, v); }
      const at = { first: 0, second: 1 } as const;
      export function* run(cpu: any, a: number, b: number) {
        yield* write(cpu, at.first, a - b);
        yield* write(cpu, at.second, mix(a + b, -a) - mix(-b, yield* read(cpu, at.first)));
        const old = yield* swap(cpu, at.first + (a & 1), a - -b);
        return mix(old, mix(a, b)) + (yield* read(cpu, (a >> 1) & 1));
      }`;
    interface Twin {
      run: (cpu: { words: Int32Array }, a: number, b: number) => number;
    }
    const load = async (inlines: boolean): Promise<Twin> => {
      const { code } = erased({ 'a.ts': source }, { inlines });
      expect(code.includes('yield')).toBe(false);
      expect(code.includes(' write(cpu, at')).toBe(!inlines);
      return (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)) as Twin;
    };
    const [fast, slow] = [await load(true), await load(false)];
    const number = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(number, number, (a, b) => {
        const [one, other] = [{ words: new Int32Array(2) }, { words: new Int32Array(2) }];
        expect(fast.run(one, a, b)).toBe(slow.run(other, a, b));
        expect(one.words).toEqual(other.words);
      }),
    );
  });
});

describe('constants', () => {
  it.each([
    ['const A = 1 << 3; f(x & A);', 'const A = 1 << 3; f(x & 8);'],
    ['const o = { x: 4 } as const; f(p + o.x);', 'const o = { x: 4 }; f(p + 4);'],
    ['const A = -2; f(1 - A);', 'const A = -2; f(1 - (-2));'],
  ])('become their values: %s', (source, expected) => {
    expect(twin(source)).toBe(expected);
  });

  it.each([
    ['const o = { x: 4 } as any; o.x = 5; f(o.x);', 'const o = { x: 4 }; o.x = 5; f(o.x);'],
    ['let a = 1; f(a);', 'let a = 1; f(a);'],
    ['const A = 1; function f(A) { return A; }', 'const A = 1; function f(A) { return A; }'],
    ['function f() { const a = 1; return a; }', 'function f() { const a = 1; return a; }'],
    ['const A = 1; f({ A });', 'const A = 1; f({ A });'],
    ['const A = 1; f(x.A);', 'const A = 1; f(x.A);'],
  ])('stay where the name means something else, or something that changes: %s', (source, expected) => {
    expect(twin(source)).toBe(expected);
  });
});
