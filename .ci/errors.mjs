// The rule of error tags: each tagged error that a public export can fail with has a tag that begins with `Oci`, so that
// it differs from the tags of an application. No two classes have the same tag.
import { join } from "node:path"
import ts from "typescript"
import { fail, publicPackages, root, shown } from "./workspace.mjs"

/** The types whose second argument is an error. */
const channels = new Set(["Effect", "Exit", "Layer", "Stream"])

/** @param {ts.Symbol | undefined} symbol */
const isOwn = (symbol) =>
  symbol?.declarations?.some((declaration) =>
    declaration.getSourceFile().fileName.startsWith(join(root, "packages"))
  ) ??
    false

/** @param {ts.Program} program */
export const checkErrorTags = (program) => {
  const checker = program.getTypeChecker()
  /** @type {Map<string, Set<string>>} */
  const classes = new Map()
  /** @type {Set<ts.Type>} */
  const seen = new Set()

  /** Notes the tags of errors. @param {ts.Type} error */
  const note = (error) => {
    for (const member of error.isUnion() ? error.types : [error]) {
      const tag = checker.getPropertyOfType(member, "_tag")
      const type = tag === undefined ? undefined : checker.getTypeOfSymbol(tag)
      const declaration = member.symbol?.declarations?.[0]
      if (type === undefined || !type.isStringLiteral() || declaration === undefined || !isOwn(member.symbol)) continue
      const known = classes.get(type.value) ?? new Set()
      classes.set(type.value, known.add(`${shown(declaration.getSourceFile().fileName)}: ${member.symbol.name}`))
    }
  }

  /** Follows a type to the errors in it. @param {ts.Type} type */
  const follow = (type) => {
    if (seen.has(type)) return
    seen.add(type)
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
    for (const property of checker.getPropertiesOfType(type)) follow(checker.getTypeOfSymbol(property))
    if (type.isClass() && checker.getPropertyOfType(type, "stack") !== undefined) note(type)
  }

  for (const { folder } of publicPackages) {
    for (const source of program.getSourceFiles()) {
      if (!source.fileName.startsWith(join(folder, "src/")) || source.fileName.includes("/internal/")) continue
      const module = checker.getSymbolAtLocation(source)
      for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
        const item = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
        if (item.flags & ts.SymbolFlags.Value) follow(checker.getTypeOfSymbol(item))
        if (item.flags & ts.SymbolFlags.Type) follow(checker.getDeclaredTypeOfSymbol(item))
      }
    }
  }

  for (const [tag, owners] of classes) {
    if (!tag.startsWith("Oci")) fail(`${[...owners].join(", ")}: the tag "${tag}" of a public error begins with "Oci"`)
    if (owners.size > 1) fail(`${[...owners].join(", ")}: the tag "${tag}" belongs to one class`)
  }
  if (classes.size === 0) fail("no public error was found")
}
