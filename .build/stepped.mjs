// What a piece of the stepped source comes to in the direct twin: yields that go, choices that hang on STEPPED.
import ts from 'typescript';

function isYield(node) {
  return ts.isExpressionStatement(node) && ts.isYieldExpression(node.expression) && !node.expression.asteriskToken;
}

/**
 * Whether `node` is `yield x;`, or `if (announcement) yield x;`: the condition says whether to yield, so it goes too.
 */
export function isYieldStatement(node) {
  return isYield(node) || (ts.isIfStatement(node) && !node.elseStatement && isYield(node.thenStatement));
}

/** Whether `node` is STEPPED or !STEPPED: its value in the twin, else undefined. */
function steppedValue(node) {
  if (ts.isParenthesizedExpression(node)) return steppedValue(node.expression);
  if (ts.isIdentifier(node) && node.text === 'STEPPED') return false;
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    const inner = steppedValue(node.operand);
    return inner === undefined ? undefined : !inner;
  }
  return undefined;
}

/** What a choice that hangs on STEPPED comes to: the node left of it, null for a statement that goes, or undefined. */
export function decide(node, factory) {
  if (ts.isIfStatement(node)) {
    const value = steppedValue(node.expression);
    return value === undefined ? undefined : ((value ? node.thenStatement : node.elseStatement) ?? null);
  }
  if (ts.isConditionalExpression(node)) {
    const value = steppedValue(node.condition);
    return value === undefined ? undefined : value ? node.whenTrue : node.whenFalse;
  }
  if (!ts.isBinaryExpression(node)) return undefined;
  const value = steppedValue(node.left);
  if (value === undefined) return undefined;
  switch (node.operatorToken.kind) {
    case ts.SyntaxKind.AmpersandAmpersandToken:
      return value ? node.right : factory.createFalse();
    case ts.SyntaxKind.BarBarToken:
      return value ? factory.createTrue() : node.right;
    default:
      return undefined;
  }
}
