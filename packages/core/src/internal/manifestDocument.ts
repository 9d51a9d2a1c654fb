import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Descriptor from "../Descriptor.js"
import * as MediaType from "../MediaType.js"
import { printable } from "../Printable.js"
import type { Raw } from "./manifestJson.js"

/** The maximum number of entries in a manifest: descriptors, annotations, and the annotations of its descriptors. */
export const maxEntries = 10_000

/** Some programs write `null` for an absent member, and Go reads `null` as absent. */
const optional = <A, I>(member: Schema.Schema<A, I>) => Schema.optionalWith(member, { nullable: true })

const Descriptors = Schema.Array(Descriptor.schema)

const shared = {
  // Some programs leave it out. No other version is in use.
  schemaVersion: optional(Schema.Literal(2)),
  mediaType: optional(Schema.String),
  artifactType: optional(Schema.String),
  subject: optional(Descriptor.schema),
  annotations: optional(Schema.Record({ key: Schema.String, value: Schema.String }))
}

const fold = (name: string): string => name.toUpperCase().toLowerCase()

/** Names, indexed for a decoder that ignores case. */
interface Names {
  readonly byFold: ReadonlyMap<string, string>
  readonly lengths: ReadonlySet<number>
}

const byFold = (...names: ReadonlyArray<string>): Names => ({
  byFold: new Map(names.map((name) => [fold(name), name])),
  lengths: new Set(names.map(({ length }) => length))
})

/**
 * Returns the known name that a case-insensitive decoder takes a name for. Such a decoder compares letter by letter, so
 * the lengths must be equal.
 */
const readAs = ({ byFold, lengths }: Names, name: string): string | undefined =>
  lengths.has(name.length) ? byFold.get(fold(name)) : undefined

/** The members that only one kind of manifest has. `fsLayers` is a member of Docker's schema 1. */
const telling = ["config", "layers", "manifests", "blobs", "fsLayers"]

const tellingNames = byFold(...telling)

const typeNames = byFold("mediaType")

const documentNames = byFold(...telling, "schemaVersion", "mediaType", "artifactType", "subject", "annotations")

const descriptorNames = byFold("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform")

const platformNames = byFold("architecture", "os", "os.version", "os.features", "variant")

/**
 * Go's JSON decoder ignores the case of names, and most programs that use registries are written in Go. Such a program
 * would read a member that differs only in case as the member that this library reads.
 */
const misread = (object: Raw, names: Names): string | undefined => {
  for (const found of Object.keys(object)) {
    const read = readAs(names, found)
    if (read !== undefined && read !== found) return `"${printable(found, 80)}" would be read by others as "${read}"`
  }
  return undefined
}

const isObject = (value: unknown): value is Raw => typeof value === "object" && value !== null

const isRecord = (value: unknown): value is Raw => isObject(value) && !Array.isArray(value)

/** Returns the descriptors in a document of one kind, without validating them. */
const descriptors = (members: ReadonlyArray<string>, document: Raw): ReadonlyArray<Raw> =>
  ["subject", ...members].flatMap((name): unknown => document[name]).filter(isRecord)

const lengthOf = (value: unknown): number => isObject(value) ? Object.keys(value).length : 0

/** Returns whether a document has too many entries. Nothing is decoded for this check. */
const isTooLong = (members: ReadonlyArray<string>, document: Raw): boolean => {
  let entries = lengthOf(document["annotations"])
  for (const name of members) entries += Array.isArray(document[name]) ? document[name].length : 0
  if (entries > maxEntries) return true
  for (const { annotations } of descriptors(members, document)) entries += lengthOf(annotations)
  return entries > maxEntries
}

/** Returns why other programs may read a document of one kind differently, or why the document is not read at all. */
const problemOf = (members: ReadonlyArray<string>, mediaType: string, document: Raw): string | undefined => {
  for (const name of telling) {
    if (Object.hasOwn(document, name) && !members.includes(name)) {
      return `one of type ${mediaType} may not have "${name}"`
    }
  }
  if (isTooLong(members, document)) {
    return `it has more than ${maxEntries} entries: descriptors and annotations`
  }
  return misread(document, documentNames)
}

/** Returns why other programs may read one of the descriptors differently. */
const descriptorProblem = (members: ReadonlyArray<string>, document: Raw): string | undefined => {
  for (const descriptor of descriptors(members, document)) {
    const { platform } = descriptor
    const problem = misread(descriptor, descriptorNames) ??
      (isRecord(platform) ? misread(platform, platformNames) : undefined)
    if (problem !== undefined) return problem
  }
  return undefined
}

const expected = (ast: SchemaAST.AST): string =>
  Option.getOrElse(SchemaAST.getDescriptionAnnotation(ast), () => {
    switch (ast._tag) {
      case "TupleType":
        return "an array"
      case "TypeLiteral":
        return "an object"
      case "Transformation":
        return expected(ast.from)
      case "Union":
        return expected(ast.types[0])
      default:
        return String(ast)
    }
  })

/**
 * Returns the first error and its path. The value is not shown, because it may be as large and as deep as the document.
 */
const explain = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey> = []): string => {
  const at = () => printable(path.map(String).join("."), 80)
  switch (issue._tag) {
    case "Pointer":
      return explain(issue.issue, path.concat(issue.path))
    case "Composite":
      return explain([issue.issues].flat()[0] as ParseResult.ParseIssue, path)
    case "Refinement":
    case "Transformation":
      return explain(issue.issue, path)
    case "Type":
      return issue.message === undefined ? `${at()} is not ${expected(issue.ast)}` : `${at()}: ${issue.message}`
    case "Missing":
      return `${at()} is missing`
    default:
      return `${at()} is malformed`
  }
}

/** Returns why other programs may read a document of one kind as another kind. Its members may still be malformed. */
export const ambiguity = (members: ReadonlyArray<string>, mediaType: string, document: Raw): string | undefined => {
  const declared = document["mediaType"]
  return problemOf(members, mediaType, document) ??
    (typeof declared === "string" && declared !== "" && declared !== mediaType
      ? otherType(declared, mediaType)
      : descriptorProblem(members, document))
}

export const otherType = (declared: string, mediaType: string): string =>
  `its mediaType is "${printable(declared, 80)}", but it was sent as "${mediaType}"`

/** The members that one kind of manifest has. */
export const typeMembers = { image: ["config", "layers"], index: ["manifests"], artifact: ["blobs"] }

/** Creates a decoder of the members of a document of one kind. The document must have passed {@link ambiguity}. */
const reader = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (document: Raw): Either.Either<A, string> => Either.mapLeft(decode(document), (error) => explain(error.issue))
}

export const image = reader(Schema.Struct({ ...shared, config: Descriptor.schema, layers: optional(Descriptors) }))

export const index = reader(Schema.Struct({ ...shared, manifests: Schema.NullOr(Descriptors) }))

export const artifact = reader(Schema.Struct({ ...shared, blobs: optional(Descriptors) }))

/** Returns the media types that a document declares, in any spelling of `mediaType`, without parameters. */
export const declaredTypes = (document: Raw): ReadonlyArray<string> =>
  Object.keys(document).flatMap((name) => {
    const declared = readAs(typeNames, name) === undefined ? undefined : document[name]
    return typeof declared === "string" && declared !== "" ? [MediaType.essence(declared)] : []
  })

/** Returns the names of the members by which other programs would identify a document as a manifest. */
export const listsIn = (document: Raw): ReadonlyArray<string> =>
  Object.keys(document).filter((name) => readAs(tellingNames, name) !== undefined && holdsContent(document[name]))

const holdsContent = (value: unknown): boolean =>
  Array.isArray(value) || (isRecord(value) && typeof value["digest"] === "string")

/** Returns the kind of manifest whose members a document has, if the document declares no type. */
export const shapeOf = (document: Raw): string | undefined => {
  const lists = new Set(listsIn(document).map(fold))
  if (lists.has("fslayers")) return MediaType.dockerSchema1
  if (lists.has("manifests")) return MediaType.index
  return lists.has("layers") ? MediaType.image : undefined
}
