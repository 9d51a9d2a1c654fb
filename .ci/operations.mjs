// Refuses code that would silently miss a new operation: a `switch` over the operations with a `default`, a table of
// operations whose rows are optional, and `Handler.override` in the sources of a wrapper.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { fail, root, shown, sourcesOf, workspaces } from "./workspace.mjs"

const model = readFileSync(join(root, "packages/core/src/OperationTag.ts"), "utf8")
const tags = new Set(model.match(/(?<=^ {2}")\w+(?=")/gm))

/** @param {ts.CaseOrDefaultClause} clause */
const isOfOperation = (clause) =>
  ts.isCaseClause(clause) && ts.isStringLiteral(clause.expression) && tags.has(clause.expression.text)

/** @param {ts.Node} node @returns {string | undefined} */
const problemOf = (node) => {
  if (ts.isSwitchStatement(node)) {
    const { clauses } = node.caseBlock
    return clauses.some(isOfOperation) && clauses.some(ts.isDefaultClause)
      ? "a switch over operations has no default: name every operation"
      : undefined
  }
  if (ts.isMappedTypeNode(node)) {
    return node.questionToken !== undefined && /\bOperationTag\b/.test(node.typeParameter.getText())
      ? "a table of operations has a row for each of them"
      : undefined
  }
  return ts.isPropertyAccessExpression(node) && node.getText() === "Handler.override"
    ? "a wrapper names the operations that it forwards: Handler.wrap and Handler.forward"
    : undefined
}

/** Packages for tests and measurements, whose handlers stand in for a registry. */
const lenient = new Set(["bench", "runtimes", "testing"])

for (const workspace of workspaces.filter(({ name }) => !lenient.has(name))) {
  for (const file of sourcesOf(workspace, "src")) {
    const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true)
    /** @param {ts.Node} node */
    const visit = (node) => {
      const problem = problemOf(node)
      if (problem !== undefined) {
        fail(`${shown(file)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${problem}`)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
}
