import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Descriptor from "../Descriptor.js"
import { printable } from "../Printable.js"

/** The most descriptors that a manifest may hold. */
export const maxDescriptors = 65_536

type Raw = { readonly [name: string]: unknown }

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The JSON object in some bytes, or why there is none. */
export const json = (bytes: Uint8Array): Either.Either<Raw, string> => {
  const value = Either.try((): unknown => JSON.parse(utf8.decode(bytes)))
  if (Either.isLeft(value)) return Either.left("it is not JSON in UTF-8")
  return typeof value.right === "object" && value.right !== null && !Array.isArray(value.right)
    ? Either.right(value.right as Raw)
    : Either.left("it is not a JSON object")
}

/** Programs that leave an absent member as `null` are met, and Go reads it as absent. */
const optional = <A, I>(member: Schema.Schema<A, I>) => Schema.optionalWith(member, { nullable: true })

const Descriptors = Schema.Array(Descriptor.schema)

const shared = {
  // Not everyone writes it, and nothing else is known by another number.
  schemaVersion: optional(Schema.Literal(2)),
  mediaType: optional(Schema.String),
  artifactType: optional(Schema.String),
  subject: optional(Descriptor.schema),
  annotations: optional(Schema.Record({ key: Schema.String, value: Schema.String }))
}

const fold = (name: string): string => name.toUpperCase().toLowerCase()

const byFold = (...names: ReadonlyArray<string>): ReadonlyMap<string, string> =>
  new Map(names.map((name) => [fold(name), name]))

/** The members that only one kind of manifest has; `fsLayers` are those of Docker's schema 1. */
const telling = ["config", "layers", "manifests", "blobs", "fsLayers"]

const documentNames = byFold(...telling, "schemaVersion", "mediaType", "artifactType", "subject", "annotations")

const descriptorNames = byFold("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform")

/**
 * Go's decoder, which most programs of the field are built on, does not tell upper from lower case in names: what is
 * another name to us would be the same to them, and the document another.
 */
const misread = (object: Raw, names: ReadonlyMap<string, string>): string | undefined => {
  for (const found of Object.keys(object)) {
    const read = names.get(fold(found))
    if (read !== undefined && read !== found) return `"${printable(found, 80)}" would be read by others as "${read}"`
  }
  return undefined
}

/** What can be told to be wrong with a document before its members are looked into. */
const outerProblem = (own: ReadonlyArray<string>, mediaType: string, document: Raw): string | undefined => {
  for (const name of telling) {
    if (!Object.hasOwn(document, name)) continue
    const member = document[name]
    if (!own.includes(name)) return `one of type ${mediaType} may not have "${name}"`
    if (Array.isArray(member) && member.length > maxDescriptors) {
      return `it holds more than ${maxDescriptors} descriptors`
    }
  }
  return misread(document, documentNames)
}

/** What is wrong with a document whose members are all well. */
const innerProblem = (
  own: ReadonlyArray<string>,
  mediaType: string,
  said: string | undefined,
  document: Raw
): string | undefined => {
  for (const descriptor of ["subject", ...own].flatMap<Raw>((name) => (document[name] ?? []) as Raw)) {
    const problem = misread(descriptor, descriptorNames)
    if (problem !== undefined) return problem
  }
  return said === undefined || said === "" || said === mediaType ? undefined : otherType(said, mediaType)
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

/** The first thing that is wrong, and where. The value is not shown: it may be as large and as deep as the document. */
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

/** What is wrong with a document of one kind that others might take for another, though its members may be anything. */
export const ambiguity = (own: ReadonlyArray<string>, mediaType: string, document: Raw): string | undefined => {
  const said = document["mediaType"]
  return outerProblem(own, mediaType, document) ??
    (typeof said === "string" && said !== "" && said !== mediaType ? otherType(said, mediaType) : undefined)
}

const otherType = (said: string, mediaType: string): string =>
  `its mediaType is "${printable(said, 80)}", but it was sent as "${mediaType}"`

/** The members that tell each kind. */
export const own = { image: ["config", "layers"], index: ["manifests"], artifact: ["blobs"] }

/** Reads the documents of one kind, of which `own` are the telling members. */
const reader = <A extends { readonly mediaType?: string | undefined }, I>(
  own: ReadonlyArray<string>,
  schema: Schema.Schema<A, I>
) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (mediaType: string, document: Raw): Either.Either<A, string> => {
    const problem = outerProblem(own, mediaType, document)
    if (problem !== undefined) return Either.left(problem)
    return decode(document).pipe(
      Either.mapLeft((error) => explain(error.issue)),
      Either.flatMap((read) => {
        const problem = innerProblem(own, mediaType, read.mediaType, document)
        return problem === undefined ? Either.right(read) : Either.left(problem)
      })
    )
  }
}

export const image = reader(
  own.image,
  Schema.Struct({ ...shared, config: Descriptor.schema, layers: optional(Descriptors) })
)

export const index = reader(own.index, Schema.Struct({ ...shared, manifests: Schema.NullOr(Descriptors) }))

export const artifact = reader(own.artifact, Schema.Struct({ ...shared, blobs: optional(Descriptors) }))
