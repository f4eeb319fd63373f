// Keys: what each does to a session, and when it is somebody else's.
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/lab/model/plan.ts';
import { Player } from '../../src/lab/model/player.ts';
import { Session } from '../../src/lab/model/session.ts';
import { viewOf } from '../../src/lab/model/view.ts';
import { KEYS, focusOf, isKept, keyOf } from '../../src/lab/ui/keys.ts';
import type { Stroke } from '../../src/lab/ui/keys.ts';

function stroke(key: string, held: Partial<Stroke> = {}): Stroke {
  return { key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...held };
}

/** A session, and a keyboard for it. */
function desk(): { session: Session; player: Player; asked: string[]; press: (key: string, shift?: boolean) => void } {
  const session = new Session(planOf({ scenario: 'first-touch' }));
  session.runOn();
  const player = new Player(session);
  const asked: string[] = [];
  const ask = (what: string) => (): void => {
    asked.push(what);
  };
  const context = { session, player, copyLink: ask('copy'), find: ask('find'), help: ask('help') };
  const press = (key: string, shiftKey = false): void => keyOf(stroke(key, { shiftKey }))?.run(context, key);
  return { session, player, asked, press };
}

describe('keys', () => {
  it('are there once, and each does something', () => {
    for (const key of KEYS) {
      for (const name of key.keys) expect(keyOf(stroke(name, { shiftKey: key.shift ?? false }))).toBe(key);
    }
  });

  it('leave strokes with Ctrl, Alt or Meta to the browser', () => {
    for (const held of ['ctrlKey', 'altKey', 'metaKey'] as const) {
      expect(keyOf(stroke('c', { [held]: true }))).toBeUndefined();
    }
    expect(keyOf(stroke('x'))).toBeUndefined();
  });

  it('move: steps, ends, named steps', () => {
    const { session, press } = desk();
    press('ArrowRight');
    press('ArrowRight');
    press('ArrowLeft');
    expect(session.cursor).toBe(1);
    press('End');
    expect(session.cursor).toBe(session.length);
    press('Home');
    press('.');
    const [first] = viewOf(session).events.named;
    expect(session.cursor).toBe(first);
    press(',');
    expect(session.cursor).toBe(first);
  });

  it('let a CPU go, undo that, and fork', () => {
    const { session, player, press } = desk();
    const whole = session.length;
    session.goTo(10);
    press('1');
    expect(session.steps[10]?.step.cpu).toBe(1);
    expect(session.cursor).toBe(session.length);
    press('u');
    expect([session.length, session.cursor]).toEqual([whole, 10]);
    press('E');
    press('1');
    expect(session.length).toBe(11);
    press('U');
    press('f');
    expect(session.length).toBe(10);
    press('7');
    expect(player.notice).toContain('no CPU 7');
    press('0');
    expect(player.notice).toBe('');
  });

  it('jump to preemptions and say where there is none', () => {
    const { session, player, press } = desk();
    session.goTo(10);
    press('1');
    session.runOn();
    press('Home');
    press('ArrowRight', true);
    expect(session.cursor).toBe(11);
    press('ArrowLeft', true);
    expect(session.cursor).toBe(11);
    expect(player.notice).toContain('no preemption before step 11');
    press('n');
    expect(player.notice).toContain('no violation');
  });

  it('take the lock and the recheck away and put them back', () => {
    const { session, press } = desk();
    press('l');
    press('r');
    expect(session.plan.without).toEqual(['ptl', 'pte_recheck']);
    expect(session.outcome).toBeDefined();
    press('L');
    expect(session.plan.without).toEqual(['pte_recheck']);
    session.setMode('schedule');
    press('R');
    expect([session.plan.without, session.length]).toEqual([[], 0]);
  });

  it('play, mark and ask for what the page does', () => {
    const { player, asked, press } = desk();
    press(' ');
    press('a');
    press('ArrowRight');
    press('b');
    expect([player.playing, player.between]).toEqual([true, 1]);
    for (const key of ['c', '/', '?']) press(key);
    expect(asked).toEqual(['copy', 'find', 'help']);
  });

  it('are left to what has the focus and needs them', () => {
    const kept = (focus: Parameters<typeof isKept>[0]): string[] =>
      ['a', ' ', 'ArrowRight', 'Home'].filter((key) => isKept(focus, stroke(key)));
    expect(kept('field')).toEqual(['a', ' ', 'ArrowRight', 'Home']);
    expect(kept('slider')).toEqual(['ArrowRight', 'Home']);
    expect(kept('choice')).toEqual([' ', 'ArrowRight']);
    expect(kept('button')).toEqual([' ']);
    expect(kept('none')).toEqual([]);
  });

  it('know fields, sliders, choices and buttons from all else', () => {
    const { document } = parseHTML(`<main>
      <input id="field" /><input id="search" type="search" /><textarea id="area"></textarea><select id="select"></select>
      <input id="slider" type="range" /><input id="radio" type="radio" /><input id="box" type="checkbox" />
      <button id="button"><b id="inside">x</b></button><svg><g id="node" role="button"></g></svg>
      <dialog><button id="close"></button></dialog><div id="list" role="listbox"></div>
    </main>`);
    const focused = (id: string): string => {
      const element = document.getElementById(id);
      return element === null ? 'missing' : focusOf(element);
    };
    const ids = [
      'field',
      'search',
      'area',
      'select',
      'slider',
      'radio',
      'box',
      'button',
      'inside',
      'node',
      'close',
      'list',
    ];
    const is = [
      'field',
      'field',
      'field',
      'field',
      'slider',
      'choice',
      'button',
      'button',
      'button',
      'button',
      'field',
      'none',
    ];
    expect(ids.map(focused)).toEqual(is);
  });
});
