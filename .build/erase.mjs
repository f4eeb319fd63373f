// Erases the yields of the stepped kernel: the tree rewrite that makes its direct twin.
//
// `function*` becomes `function`, `yield* f()` becomes `f()`, the statement `yield x;` goes with its argument, and
// what hangs on the constant STEPPED is decided. A yield whose value is used has no meaning in the twin: an error.
import ts from 'typescript';
import { foldConstant } from './constants.mjs';
import { inlineCall } from './inline.mjs';

/** Thrown for source that can't be erased; the message names file and line. */
export class EraseError extends Error {}

function at(node) {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${file.fileName}:${line + 1}`;
}

/** Whether `node` is STEPPED or !STEPPED: its value in the twin, else undefined. */
function steppedValue(node) {
  if (ts.isIdentifier(node) && node.text === 'STEPPED') return false;
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    const inner = steppedValue(node.operand);
    return inner === undefined ? undefined : !inner;
  }
  return undefined;
}

/** Names a file imports. */
function importedNames(file) {
  const names = new Set();
  for (const statement of file.statements) {
    const named = ts.isImportDeclaration(statement) && statement.importClause?.namedBindings;
    if (named && ts.isNamedImports(named)) for (const element of named.elements) names.add(element.name.text);
  }
  return names;
}

/**
 * A TypeScript `before` transformer; calls of the functions in `inlines` are inlined on the way, and, with a type
 * checker, constants become their values.
 */
export const erase =
  (inlines = new Map(), checker = undefined) =>
  (context) => {
    const { factory } = context;
    let imported = new Set();
    const visit = (node) => {
      if (ts.isExpressionStatement(node) && ts.isYieldExpression(node.expression) && !node.expression.asteriskToken) {
        return undefined;
      }
      const literal = checker && foldConstant(node, checker, factory);
      if (literal) return literal;
      if (ts.isYieldExpression(node)) {
        if (!node.asteriskToken) throw new EraseError(`${at(node)}: a yield must stand alone as a statement`);
        return ts.visitNode(node.expression, visit);
      }
      if (ts.isIfStatement(node)) {
        const value = steppedValue(node.expression);
        if (value === true) return ts.visitNode(node.thenStatement, visit);
        if (value === false) return node.elseStatement && ts.visitNode(node.elseStatement, visit);
      }
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken) {
        const value = steppedValue(node.left);
        if (value === true) return ts.visitNode(node.right, visit);
        if (value === false) return factory.createFalse();
      }
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === 'STEPPED') {
        return factory.updateVariableDeclaration(node, node.name, undefined, undefined, factory.createFalse());
      }
      const done = ts.visitEachChild(node, visit, context);
      if (ts.isCallExpression(done)) return inlineCall(done, inlines, imported, context) ?? done;
      if (ts.isFunctionDeclaration(done) && done.asteriskToken) {
        return factory.updateFunctionDeclaration(
          done,
          done.modifiers,
          undefined,
          done.name,
          done.typeParameters,
          done.parameters,
          undefined,
          done.body,
        );
      }
      if (ts.isFunctionExpression(done) && done.asteriskToken) {
        return factory.updateFunctionExpression(
          done,
          done.modifiers,
          undefined,
          done.name,
          done.typeParameters,
          done.parameters,
          undefined,
          done.body,
        );
      }
      if (ts.isMethodDeclaration(done) && done.asteriskToken) {
        return factory.updateMethodDeclaration(
          done,
          done.modifiers,
          undefined,
          done.name,
          done.questionToken,
          done.typeParameters,
          done.parameters,
          undefined,
          done.body,
        );
      }
      return done;
    };
    return (file) => {
      imported = importedNames(file);
      return ts.visitNode(file, visit);
    };
  };
