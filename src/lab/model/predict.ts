// The game of saying what a step will do before it is told: what is hidden, what can be asked, and the score.

/** What a step's name gives away, hidden: all that is a value or an outcome. */
export function hiddenName(text: string): string {
  return text.replace(/(?:->|=|,|\bis\b|\bfails\b).*$/, '?');
}
