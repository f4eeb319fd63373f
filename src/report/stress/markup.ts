// HTML as text in which whatever is put in is text, unless it is HTML already: names in results files come from anywhere.

/** HTML that is right as it is. */
export class Markup {
  readonly html: string;

  constructor(html: string) {
    this.html = html;
  }
}

export type Part = Markup | string | number | undefined | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function htmlOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Markup) return part.html;
  if (typeof part === 'string') return part.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
  if (typeof part === 'number') return String(part);
  return part.map(htmlOf).join('');
}

/** A template whose values are escaped; lists are joined, undefined is nothing. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((text, i) => text + htmlOf(parts[i])).join(''));
}

/** A figure as people read it, with the exact value for programs. */
export function figure(value: number, text: string): Markup {
  return markup`<data value="${value}">${text}</data>`;
}
