// The rules of the public API, on its types: what a public module exports, and everything that its types lead to.
// - A tagged error that an export can fail with has a tag that begins with `Oci`, so that it differs from the tags of an
//   application. No two classes have the same tag.
// - A type with a name is exported by a public module.
import { join } from "node:path"
import ts from "typescript"
import { fail, publicPackages, root, shown } from "./workspace.mjs"

/** The types whose second argument is an error. */
const channels = new Set(["Effect", "Exit", "Layer", "Stream"])

const named = ts.SymbolFlags.Interface | ts.SymbolFlags.Class | ts.SymbolFlags.TypeAlias

/** @param {ts.Symbol | undefined} symbol */
const fileOf = (symbol) => symbol?.declarations?.[0]?.getSourceFile().fileName ?? ""

/** @param {ts.Symbol | undefined} symbol */
const isOwn = (symbol) => fileOf(symbol).startsWith(join(root, "packages"))

/** @param {ts.Symbol} symbol */
const isPrivate = ({ valueDeclaration }) =>
  valueDeclaration !== undefined &&
  (ts.getNameOfDeclaration(valueDeclaration)?.kind === ts.SyntaxKind.PrivateIdentifier ||
    (ts.getCombinedModifierFlags(valueDeclaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0)

/** @param {ts.Symbol} symbol */
const place = (symbol) => `${shown(fileOf(symbol))}: ${symbol.name}`

/** Returns what the public modules and their namespaces export. @param {ts.Program} program */
const exportsOf = (program) => {
  const checker = program.getTypeChecker()
  const folders = publicPackages.map(({ folder }) => join(folder, "src/"))
  /** @param {ts.Symbol} module @returns {Array<ts.Symbol>} */
  const gather = (module) =>
    checker.getExportsOfModule(module).flatMap((exported) => {
      const item = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      return item.flags & ts.SymbolFlags.NamespaceModule ? [item, ...gather(item)] : [item]
    })
  return program.getSourceFiles()
    .filter(({ fileName }) => folders.some((folder) => fileName.startsWith(folder)) && !fileName.includes("/internal/"))
    .flatMap((source) => checker.getSymbolAtLocation(source) ?? [])
    .flatMap(gather)
}

/** @param {ts.Program} program */
export const checkApi = (program) => {
  const checker = program.getTypeChecker()
  const published = new Set(exportsOf(program))
  /** The classes of each tag. @type {Map<string, Set<ts.Symbol>>} */
  const tags = new Map()
  /** @type {Set<ts.Symbol>} */
  const hidden = new Set()
  /** @type {Set<ts.Type>} */
  const seen = new Set()

  /** Notes the tags of errors. @param {ts.Type} error */
  const note = (error) => {
    for (const member of error.isUnion() ? error.types : [error]) {
      const tag = checker.getPropertyOfType(member, "_tag")
      const type = tag === undefined ? undefined : checker.getTypeOfSymbol(tag)
      if (type?.isStringLiteral() !== true || !isOwn(member.symbol)) continue
      tags.set(type.value, (tags.get(type.value) ?? new Set()).add(member.symbol))
    }
  }

  /** @param {ts.Type} type */
  const follow = (type) => {
    if (seen.has(type)) return
    seen.add(type)
    for (const symbol of [type.aliasSymbol, type.symbol]) {
      if (symbol !== undefined && symbol.flags & named && isOwn(symbol) && !published.has(symbol)) hidden.add(symbol)
    }
    for (const argument of type.aliasTypeArguments ?? []) follow(argument)
    if (type.isUnionOrIntersection()) {
      for (const member of type.types) follow(member)
      return
    }
    if (!(type.flags & ts.TypeFlags.Object)) return
    const reference = /** @type {ts.TypeReference} */ (type)
    const types = reference.target === undefined ? [] : checker.getTypeArguments(reference)
    if (channels.has(type.symbol?.name ?? "") && types[1] !== undefined) note(types[1])
    for (const argument of types) follow(argument)
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      follow(signature.getReturnType())
      for (const parameter of signature.getParameters()) follow(checker.getTypeOfSymbol(parameter))
    }
    if (!isOwn(type.symbol)) return
    for (const property of checker.getPropertiesOfType(type)) {
      if (!isPrivate(property)) follow(checker.getTypeOfSymbol(property))
    }
    if (type.isClass() && checker.getPropertyOfType(type, "stack") !== undefined) note(type)
  }

  for (const item of published) {
    if (item.flags & ts.SymbolFlags.Value) follow(checker.getTypeOfSymbol(item))
    if (item.flags & ts.SymbolFlags.Type) follow(checker.getDeclaredTypeOfSymbol(item))
  }

  for (const [tag, classes] of tags) {
    const places = [...classes].map(place).join(", ")
    if (!tag.startsWith("Oci")) fail(`${places}: the tag "${tag}" of an error does not begin with "Oci"`)
    if (classes.size > 1) fail(`${places}: they have the same tag "${tag}"`)
  }
  for (const symbol of hidden) fail(`${place(symbol)}: a public signature names it, and no public module exports it`)
  if (tags.size === 0) fail("no public error was found")
}
