// Playing, and markers.
import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/lab/model/plan.ts';
import { Player } from '../../src/lab/model/player.ts';
import { Session } from '../../src/lab/model/session.ts';

function played(): { session: Session; player: Player } {
  const session = new Session(planOf({ scenario: 'first-touch' }));
  session.runOn();
  return { session, player: new Player(session) };
}

describe('a player', () => {
  it('goes to the end, stops there, and begins again', () => {
    const { session, player } = played();
    player.toggle();
    for (let i = 0; i < session.length; i++) {
      expect(player.playing).toBe(true);
      player.tick();
    }
    expect(session.cursor).toBe(session.length);
    expect(player.playing).toBe(false);
    player.tick();
    expect(session.cursor).toBe(session.length);
    player.toggle();
    expect([session.cursor, player.playing]).toEqual([0, true]);
    player.toggle();
    player.tick();
    expect([session.cursor, player.playing]).toEqual([0, false]);
  });

  it('shows a step without a name for a shorter time', () => {
    const { session, player } = played();
    const named = session.steps.find(({ text }) => text !== undefined);
    const quiet = session.steps.find(({ text }) => text === undefined);
    expect(player.delay(quiet)).toBeLessThan(player.delay(named));
    const before = player.delay(named);
    player.speed *= 2;
    expect(player.delay(named)).toBe(before / 2);
  });

  it('counts the steps between its markers, as long as both stand on the timeline', () => {
    const { session, player } = played();
    session.goTo(20);
    player.mark('A');
    expect(player.between).toBeUndefined();
    session.goTo(8);
    player.mark('B');
    expect(player.between).toBe(12);
    session.goTo(15);
    session.fork();
    expect([player.marker('A'), player.marker('B'), player.between]).toEqual([undefined, 8, undefined]);
    session.goTo(8);
    player.mark('B');
    expect(player.marker('B')).toBeUndefined();
  });

  it('tells of each change', () => {
    const { player } = played();
    let heard = 0;
    const end = player.onChange(() => {
      heard += 1;
    });
    player.mark('A');
    player.singles = true;
    player.toggle();
    player.pause();
    player.pause();
    expect(heard).toBe(4);
    end();
    player.mark('A');
    expect(heard).toBe(4);
  });
});
