// Replaces the kernel's named constants by their values in the direct twin.
//
// `folio + page._refcount` and `flags & FAULT_FLAG_WRITE` read well and cost bytecode, which is what V8's inliner
// counts. Names are resolved by the type checker, so a parameter that happens to be called `page` stays a parameter.
import ts from 'typescript';

/** The number an initializer comes to, else undefined. */
function evaluate(node, checker) {
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return evaluate(node.expression, checker);
  if (ts.isPrefixUnaryExpression(node)) {
    const value = evaluate(node.operand, checker);
    if (value === undefined) return undefined;
    if (node.operator === ts.SyntaxKind.MinusToken) return -value;
    return node.operator === ts.SyntaxKind.TildeToken ? ~value : undefined;
  }
  if (ts.isBinaryExpression(node)) {
    const left = evaluate(node.left, checker);
    const right = evaluate(node.right, checker);
    if (left === undefined || right === undefined) return undefined;
    switch (node.operatorToken.kind) {
      case ts.SyntaxKind.PlusToken:
        return left + right;
      case ts.SyntaxKind.MinusToken:
        return left - right;
      case ts.SyntaxKind.AsteriskToken:
        return left * right;
      case ts.SyntaxKind.BarToken:
        return left | right;
      case ts.SyntaxKind.AmpersandToken:
        return left & right;
      case ts.SyntaxKind.LessThanLessThanToken:
        return left << right;
      default:
        return undefined;
    }
  }
  return ts.isIdentifier(node) || ts.isPropertyAccessExpression(node) ? constantValue(node, checker) : undefined;
}

/** The `const` declaration a name stands for, through imports. */
function declarationOf(node, checker) {
  let symbol = checker.getSymbolAtLocation(node);
  if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  const declaration = symbol?.valueDeclaration;
  if (!declaration || !ts.isVariableDeclaration(declaration) || !declaration.initializer) return undefined;
  return declaration.parent.flags & ts.NodeFlags.Const ? declaration : undefined;
}

/** The value of `NAME` or `object.field`, where that is a constant at the top of a module; else undefined. */
export function constantValue(node, checker) {
  if (ts.isPropertyAccessExpression(node)) {
    if (!ts.isIdentifier(node.expression)) return undefined;
    const declaration = declarationOf(node.expression, checker);
    if (!declaration || !ts.isSourceFile(declaration.parent.parent.parent)) return undefined;
    // Only what is frozen by `as const` is a constant: the fields of any other object can be stored to.
    const frozen = ts.isAsExpression(declaration.initializer) && ts.isConstTypeReference(declaration.initializer.type);
    const object = frozen ? declaration.initializer.expression : undefined;
    if (!object || !ts.isObjectLiteralExpression(object)) return undefined;
    const property = object.properties.find((p) => ts.isPropertyAssignment(p) && p.name.getText() === node.name.text);
    return property && evaluate(property.initializer, checker);
  }
  const declaration = declarationOf(node, checker);
  if (!declaration || !ts.isSourceFile(declaration.parent.parent.parent)) return undefined;
  return evaluate(declaration.initializer, checker);
}

/** Whether an identifier stands where a value is read. */
function isRead(node) {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  if (ts.isVariableDeclaration(parent) && parent.name === node) return false;
  return !(
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isShorthandPropertyAssignment(parent) ||
    ts.isTypeNode(parent) ||
    ts.isParameter(parent)
  );
}

/** The literal that a name or field in an expression becomes, else undefined. */
export function foldConstant(node, checker, factory) {
  if (!node.parent || !(ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) || !isRead(node))
    return undefined;
  const value = constantValue(node, checker);
  if (value === undefined || !Number.isFinite(value)) return undefined;
  const literal = factory.createNumericLiteral(Math.abs(value));
  return value < 0 ? factory.createParenthesizedExpression(factory.createPrefixMinus(literal)) : literal;
}
