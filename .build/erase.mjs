// Erases the yields of the stepped kernel: the tree rewrite that makes its direct twin.
//
// `function*` becomes `function`, `yield* f()` becomes `f()`, the statement `yield x;` goes with its argument and with
// the `if` that stands before it alone, and what hangs on the constant STEPPED is decided. A yield whose value is used
// has no meaning in the twin: an error.
import ts from 'typescript';
import { foldConstant } from './constants.mjs';
import { inlineCall } from './inline.mjs';
import { decide, isYieldStatement } from './stepped.mjs';

/** Thrown for source that can't be erased; the message names file and line. */
export class EraseError extends Error {}

function at(node) {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${file.fileName}:${line + 1}`;
}

/** A generator, already rewritten inside, without its asterisk. */
function plain(node, factory) {
  const rest = [node.typeParameters, node.parameters, undefined, node.body];
  if (ts.isFunctionDeclaration(node)) {
    return factory.updateFunctionDeclaration(node, node.modifiers, undefined, node.name, ...rest);
  }
  if (ts.isFunctionExpression(node)) {
    return factory.updateFunctionExpression(node, node.modifiers, undefined, node.name, ...rest);
  }
  return factory.updateMethodDeclaration(node, node.modifiers, undefined, node.name, node.questionToken, ...rest);
}

/**
 * A TypeScript `before` transformer. With a type checker, constants become their values and calls of the functions in
 * `inlines` become their bodies: both go by what a name stands for, never by the name.
 * @param {Map<ts.Node, object>} [inlines] from inlineTable
 * @param {ts.TypeChecker} [checker]
 * @returns {ts.TransformerFactory<ts.SourceFile>}
 */
export const erase =
  (inlines = new Map(), checker) =>
  (context) => {
    const { factory } = context;
    // A list of statements can lose one, and an `if` its `else`; any other branch or loop must keep a body.
    const gone = (node) => {
      const { parent } = node;
      const listed = ts.isBlock(parent) || ts.isSourceFile(parent) || ts.isCaseOrDefaultClause(parent);
      const isElse = ts.isIfStatement(parent) && parent.elseStatement === node;
      return listed || isElse ? undefined : factory.createEmptyStatement();
    };
    const visit = (node) => {
      if (isYieldStatement(node)) return gone(node);
      if (ts.isYieldExpression(node)) {
        if (!node.asteriskToken) throw new EraseError(`${at(node)}: a yield must stand alone as a statement`);
        return ts.visitNode(node.expression, visit);
      }
      const decided = decide(node, factory);
      if (decided === null) return gone(node);
      if (decided !== undefined) return ts.visitNode(decided, visit);
      const literal = checker && foldConstant(node, checker, factory);
      if (literal) return literal;
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === 'STEPPED') {
        return factory.updateVariableDeclaration(node, node.name, undefined, undefined, factory.createFalse());
      }
      const done = ts.visitEachChild(node, visit, context);
      if (ts.isCallExpression(node)) return (checker && inlineCall(node, done, inlines, checker, context)) ?? done;
      if (!ts.isFunctionLike(node) || !node.asteriskToken) return done;
      if (node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.AsyncKeyword)) {
        throw new EraseError(`${at(node)}: an async generator has no direct twin`);
      }
      return plain(done, factory);
    };
    return (file) => ts.visitNode(file, visit);
  };
