// Inlines the kernel's one-line accessors into their callers in the direct twin.
//
// The fault path calls hundreds of them; V8's inliner runs out of budget long before the last. A function marked
// @inline whose erased body is one `return expression` or one expression statement replaces its calls wherever every
// argument can be evaluated twice or never without a difference: a name, a literal, a field, a sum of such.
import ts from 'typescript';
import { decide, isYieldStatement } from './stepped.mjs';

function hasInlineTag(node) {
  return ts.getJSDocTags(node).some((tag) => tag.tagName.text === 'inline');
}

/** A statement or expression with its choice on STEPPED made: null where nothing is left. */
function decided(node) {
  const value = decide(node, ts.factory);
  return value === undefined ? node : value;
}

/** The one expression a function comes to once its yields are erased, else undefined. */
function soleExpression(declaration) {
  const left = declaration.body.statements
    .filter((statement) => !isYieldStatement(statement))
    .map(decided)
    .filter((statement) => statement !== null);
  if (left.length !== 1) return undefined;
  if (!ts.isReturnStatement(left[0]) && !ts.isExpressionStatement(left[0])) return undefined;
  return left[0].expression && decided(left[0].expression);
}

/** Whether `node` stores to a name itself (`x = 1`, `x++`): an argument in its place could not be stored to. */
function storesToName(node) {
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const { operator } = node;
    const steps = operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken;
    return steps && ts.isIdentifier(node.operand);
  }
  if (!ts.isBinaryExpression(node) || !ts.isIdentifier(node.left)) return false;
  const { kind } = node.operatorToken;
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/**
 * Whether an expression names nothing but its parameters and what every module has, and still means the same with
 * each parameter replaced by an argument.
 */
function isClosed(expression, parameters) {
  let closed = true;
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node)) visit(node.expression);
    else if (ts.isIdentifier(node)) closed &&= parameters.includes(node.text) || node.text === 'Atomics';
    else if (ts.isObjectLiteralExpression(node) || ts.isFunctionLike(node) || storesToName(node)) closed = false;
    else ts.forEachChild(node, visit);
  };
  visit(expression);
  return closed;
}

/** Inlinable functions by declaration: { parameters, expression }. */
export function inlineTable(sources) {
  const table = new Map();
  for (const source of sources) {
    for (const statement of source.statements) {
      if (!ts.isFunctionDeclaration(statement) || !statement.body || !hasInlineTag(statement)) continue;
      const expression = soleExpression(statement);
      if (expression === undefined) continue;
      if (!statement.parameters.every((parameter) => ts.isIdentifier(parameter.name) && !parameter.initializer))
        continue;
      const parameters = statement.parameters.map((parameter) => parameter.name.text);
      if (isClosed(expression, parameters)) table.set(statement, { parameters, expression });
    }
  }
  return table;
}

/** Whether evaluating `node` any number of times makes no difference. */
function isSimple(node) {
  if (ts.isIdentifier(node) || ts.isNumericLiteral(node)) return true;
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return isSimple(node.expression);
  if (ts.isPropertyAccessExpression(node)) return isSimple(node.expression);
  if (ts.isPrefixUnaryExpression(node)) {
    return node.operator === ts.SyntaxKind.MinusToken || node.operator === ts.SyntaxKind.TildeToken
      ? isSimple(node.operand)
      : false;
  }
  if (!ts.isBinaryExpression(node)) return false;
  const kinds = ts.SyntaxKind;
  const pure = [
    kinds.PlusToken,
    kinds.MinusToken,
    kinds.AsteriskToken,
    kinds.BarToken,
    kinds.AmpersandToken,
    kinds.LessThanLessThanToken,
    kinds.GreaterThanGreaterThanToken,
    kinds.PercentToken,
  ];
  return pure.includes(node.operatorToken.kind) && isSimple(node.left) && isSimple(node.right);
}

/** The expression with parameters replaced by arguments, made of fresh nodes. */
function instantiate(expression, bindings, context) {
  const { factory } = context;
  const visit = (node) => {
    if (ts.isIdentifier(node)) {
      const bound = bindings.get(node.text);
      return bound === undefined ? factory.createIdentifier(node.text) : bound;
    }
    if (ts.isPropertyAccessExpression(node)) {
      return factory.createPropertyAccessExpression(ts.visitNode(node.expression, visit), node.name.text);
    }
    if (ts.isNonNullExpression(node)) return ts.visitNode(node.expression, visit);
    if (ts.isNumericLiteral(node)) return factory.createNumericLiteral(node.text);
    return ts.visitEachChild(node, visit, context);
  };
  return factory.createParenthesizedExpression(ts.visitNode(expression, visit));
}

/** The function a called name stands for, through imports. */
function calledFunction(callee, checker) {
  const symbol = checker.getSymbolAtLocation(callee);
  const aliased = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return aliased?.valueDeclaration;
}

/**
 * What a call becomes: the inlined expression, or undefined where it must stay a call. `call` is the call as written,
 * which the checker knows; `done` is the same call with its arguments rewritten.
 */
export function inlineCall(call, done, table, checker, context) {
  if (!ts.isIdentifier(call.expression)) return undefined;
  const entry = table.get(calledFunction(call.expression, checker));
  if (entry === undefined || done.arguments.length !== entry.parameters.length) return undefined;
  if (!done.arguments.every(isSimple)) return undefined;
  const bindings = new Map();
  done.arguments.forEach((argument, i) => {
    const atom = ts.isIdentifier(argument) || ts.isNumericLiteral(argument);
    bindings.set(entry.parameters[i], atom ? argument : context.factory.createParenthesizedExpression(argument));
  });
  return instantiate(entry.expression, bindings, context);
}
