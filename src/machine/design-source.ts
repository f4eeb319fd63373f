// The source of a locking design of the user's own: what it may be, and its two executions.
//
// It is written once, as the kernel is: stepped functions, in which `yield*` marks each point where another CPU may run.
// Real threads run the same text with the yields blanked out, line for line. What would mean one
// thing stepped and another thing erased (a stepped function that is called without `yield*`, a plain `yield`) is
// refused here, as is what a thread that is given nothing but the text could not have (imports).
import { parse } from 'acorn';
import type { Node, Token } from 'acorn';
import { UsageError } from './usage-error.ts';

/** The two texts of a module: function bodies that set `exported.default`. */
export interface DesignTexts {
  readonly stepped: string;
  readonly direct: string;
}

const EXAMPLE = 'for example export default function (kernel) { return { name, what, *lock(cpu, entries) { … }, … }; }';

/** A node as a walk sees it: acorn's types name each kind, and a walk is over all of them alike. */
type AnyNode = Node & Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

/** Replacements of parts of a text by others, by where the parts begin. */
class Edits {
  private readonly edits: { from: number; to: number; text: string }[] = [];

  replace(from: number, to: number, text: string): void {
    this.edits.push({ from, to, text });
  }

  apply(source: string): string {
    let text = '';
    let at = 0;
    for (const edit of [...this.edits].sort((a, b) => a.from - b.from || a.to - b.to)) {
      text += source.slice(at, edit.from) + edit.text;
      at = edit.to;
    }
    return text + source.slice(at);
  }
}

/** Reads one module. */
class DesignReader {
  private readonly source: string;
  private readonly path: string;
  private readonly tokens: Token[] = [];
  /** What the stepped and the direct text differ from the source in. */
  private readonly kept = new Edits();
  private readonly erased = new Edits();
  /** Names of stepped functions of the module, and of what it is given, by any name it has for it. */
  private readonly steppedNames = new Set<string>();
  private readonly kernelNames = new Set<string>();
  private readonly stepped: ReadonlySet<string>;

  constructor(source: string, path: string, stepped: ReadonlySet<string>) {
    this.source = source;
    this.path = path;
    this.stepped = stepped;
  }

  read(): DesignTexts {
    const program = this.parsed();
    const exported = childrenOf(program).filter(({ type }) => type.startsWith('Export'));
    const [only] = exported;
    if (exported.length !== 1 || only?.type !== 'ExportDefaultDeclaration') {
      throw new UsageError(`${this.path} has no default export alone: a locking design is a function, ${EXAMPLE}.`);
    }
    this.export(only);
    this.learn(program);
    this.check(program, undefined);
    return { stepped: this.kept.apply(this.source), direct: this.erased.apply(this.source) };
  }

  private parsed(): AnyNode {
    try {
      return parse(this.source, {
        ecmaVersion: 2023,
        sourceType: 'module',
        locations: true,
        onToken: this.tokens,
      }) as unknown as AnyNode;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      throw new UsageError(
        `${this.path} is no JavaScript module: ${said}; give one whose default export is a function.`,
      );
    }
  }

  private export(node: AnyNode): void {
    const { declaration } = node;
    if (!isNode(declaration)) return;
    for (const edits of [this.kept, this.erased]) {
      edits.replace(node.start, declaration.start, 'exported.default = ');
      edits.replace(declaration.end, declaration.end, ';');
    }
    const isFunction = declaration.type === 'FunctionDeclaration' || declaration.type === 'ArrowFunctionExpression';
    const [parameter] = isFunction ? (declaration.params as AnyNode[]) : [];
    if (parameter?.type === 'Identifier') this.kernelNames.add(String(parameter.name));
    else if (parameter?.type === 'ObjectPattern') this.learnPattern(parameter);
  }

  /** `{ cmpxchg, READ_ONCE: read }`: names for stepped functions of the kernel. */
  private learnPattern(pattern: AnyNode): void {
    for (const property of pattern.properties as AnyNode[]) {
      const { key, value } = property;
      if (isNode(key) && isNode(value) && this.stepped.has(String(key.name)) && value.type === 'Identifier') {
        this.steppedNames.add(String(value.name));
      }
    }
  }

  /** Notes the names of the module's own generators, and of what is taken out of the kernel. */
  private learn(node: AnyNode): void {
    if (node.type === 'FunctionDeclaration' && node.generator === true && isNode(node.id)) {
      this.steppedNames.add(String(node.id.name));
    }
    const { id, init } = node;
    if (node.type === 'VariableDeclarator' && isNode(id) && isNode(init)) {
      if (id.type === 'Identifier' && init.generator === true) this.steppedNames.add(String(id.name));
      if (id.type === 'ObjectPattern' && init.type === 'Identifier' && this.kernelNames.has(String(init.name))) {
        this.learnPattern(id);
      }
    }
    for (const child of childrenOf(node)) this.learn(child);
  }

  private refuse(node: AnyNode, what: string): never {
    const line = node.loc?.start.line ?? 0;
    throw new UsageError(`${this.path}, line ${String(line)}: ${what}.`);
  }

  private check(node: AnyNode, parent: AnyNode | undefined): void {
    const { type } = node;
    if (type === 'ImportDeclaration' || type === 'ImportExpression' || type === 'MetaProperty') {
      this.refuse(
        node,
        'a locking design imports nothing, since every thread is given this text alone: use what its function is given, for example kernel.cmpxchg',
      );
    }
    if (node.async === true || type === 'AwaitExpression') {
      this.refuse(
        node,
        'a locking design does not wait for promises: use kernel.wait_until, for example yield* kernel.wait_until(cpu, word, (value) => value === 0)',
      );
    }
    if (type === 'YieldExpression') this.eraseYield(node, parent);
    if (type === 'CallExpression') this.checkCall(node, parent);
    if (node.generator === true) this.eraseStar(node, parent);
    for (const child of childrenOf(node)) this.check(child, node);
  }

  private eraseYield(node: AnyNode, parent: AnyNode | undefined): void {
    if (node.delegate !== true || !isNode(node.argument)) {
      this.refuse(
        node,
        'a plain yield means nothing here: yield* a stepped function, for example yield* kernel.READ_ONCE(cpu, word)',
      );
    }
    const star = this.starAfter(node.start);
    // Where a statement begins with it, a parenthesis would make a call of what stands before.
    const first = parent?.type === 'SequenceExpression' && (parent.expressions as AnyNode[])[0] === node;
    const begins = first || parent?.type === 'ExpressionStatement';
    this.erased.replace(node.start, node.start + 'yield'.length, begins ? 'void ' : '    (');
    this.erased.replace(star.start, star.end, begins ? '(' : ' ');
    this.erased.replace(node.end, node.end, ')');
  }

  private eraseStar(node: AnyNode, parent: AnyNode | undefined): void {
    // A method's asterisk stands before its name, which is the parent's.
    const isMethod = parent?.type === 'MethodDefinition' || (parent?.type === 'Property' && parent.method === true);
    const star = this.starAfter(isMethod ? parent.start : node.start);
    this.erased.replace(star.start, star.end, ' ');
  }

  private starAfter(position: number): Token {
    let low = 0;
    let high = this.tokens.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.tokens[middle]?.start ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    const star = this.tokens.slice(low).find(({ start, end }) => end === start + 1 && this.source[start] === '*');
    if (star === undefined) throw new Error('DesignReader: a generator without an asterisk');
    return star;
  }

  /** A stepped function that is called without `yield*` would do nothing when stepped, and all when not. */
  private checkCall(node: AnyNode, parent: AnyNode | undefined): void {
    const { callee } = node;
    if (!isNode(callee) || (parent?.type === 'YieldExpression' && parent.delegate === true)) return;
    const { object, property } = callee;
    const ofKernel =
      callee.type === 'MemberExpression' &&
      isNode(object) &&
      isNode(property) &&
      this.kernelNames.has(String(object.name)) &&
      this.stepped.has(String(property.name));
    const own = callee.type === 'Identifier' && this.steppedNames.has(String(callee.name));
    if (!ofKernel && !own) return;
    const text = this.source.slice(callee.start, callee.end);
    this.refuse(node, `${text}(…) is stepped, and does nothing without yield*: write yield* ${text}(…)`);
  }
}

/** The two texts of a module. `stepped` names the stepped functions it is given. Throws a UsageError. */
export function designTexts(source: string, path: string, stepped: ReadonlySet<string>): DesignTexts {
  return new DesignReader(source, path, stepped).read();
}
