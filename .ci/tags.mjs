// Every exported item of a package's modules has a doc comment with `@since` and exactly one lower-case `@category`.
import ts from "typescript"
import { fail, publicPackages, shown, sourcesOf } from "./workspace.mjs"

const sources = publicPackages.flatMap((each) => sourcesOf(each, "src"))

// Only names are followed, never types, so neither the library nor a dependency is read.
const program = ts.createProgram(sources, { noLib: true, noResolve: true, types: [], module: ts.ModuleKind.NodeNext })
const checker = program.getTypeChecker()

/** @param {ts.Declaration} declaration */
const isClassMember = (declaration) => ts.isClassLike(declaration.parent)

/** @type {Map<ts.Declaration, string>} */
const items = new Map()

/**
 * Gathers what a module or a namespace exports, wherever it is declared.
 *
 * @param {ts.Symbol} container
 * @param {string} prefix
 */
const gather = (container, prefix) => {
  for (const exported of checker.getExportsOfModule(container)) {
    const item = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const declarations = item.declarations ?? []
    // Another module shown as a namespace speaks for itself; a class's static members are part of the class.
    if (declarations.some((declaration) => ts.isSourceFile(declaration)) || declarations.every(isClassMember)) continue
    const signature = declarations.find(ts.isFunctionDeclaration)
    for (const declaration of declarations) {
      // The first signature of an overloaded function speaks for all.
      if (ts.isFunctionDeclaration(declaration) && declaration !== signature) continue
      items.set(declaration, `${prefix}${exported.name}`)
    }
    if (declarations.some(ts.isModuleDeclaration)) gather(item, `${prefix}${exported.name}.`)
  }
}

/** @param {ts.Declaration} declaration */
const fault = (declaration) => {
  const tags = ts.getJSDocTags(declaration)
  /** @param {string} name */
  const texts = (name) =>
    tags.filter((tag) => tag.tagName.text === name).map((tag) => ts.getTextOfJSDocComment(tag.comment) ?? "")
  const since = texts("since")
  const categories = texts("category")
  if (since.length !== 1) return `needs one @since, has ${since.length}`
  if (!/^\d+\.\d+\.\d+$/.test(since.join())) return `needs a version in @since, has "${since.join()}"`
  if (categories.length !== 1) return `needs one @category, has ${categories.length}`
  if (!/^[a-z][a-z -]*$/.test(categories.join())) return `needs a lower-case @category, has "${categories.join()}"`
  return undefined
}

for (const source of program.getSourceFiles()) {
  const symbol = checker.getSymbolAtLocation(source)
  if (symbol !== undefined && /\/src\/\w+\.ts$/.test(source.fileName)) gather(symbol, "")
}

for (const [declaration, name] of items) {
  const problem = fault(declaration)
  if (problem === undefined) continue
  const source = declaration.getSourceFile()
  const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
  fail(`${shown(source.fileName)}:${line + 1}: ${name} ${problem}`)
}
