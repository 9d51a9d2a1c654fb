import * as Either from "effect/Either"
import * as MediaType from "../MediaType.js"
import { printable } from "../Printable.js"
import { ManifestInvalid, Unsupported } from "../RegistryError.js"
import { ambiguity, declaredTypes, otherType, shapeOf, typeMembers } from "./manifestDocument.js"
import type { Raw } from "./manifestJson.js"
import * as json from "./manifestJson.js"

export type Refusal = ManifestInvalid | Unsupported

export const invalid = (reason: string) => new ManifestInvalid({ reason: `manifest invalid: ${reason}` })

const schema1 = () =>
  new Unsupported({
    reason:
      "Docker image manifests of schema 1 are not supported; convert the image to schema 2 or OCI first, such as " +
      "with docker pull and docker push of a current Docker"
  })

/** The members that only manifests of one type have, by type. */
const ownMembers: ReadonlyMap<string, ReadonlyArray<string>> = new Map([
  [MediaType.image, typeMembers.image],
  [MediaType.dockerImage, typeMembers.image],
  [MediaType.index, typeMembers.index],
  [MediaType.dockerList, typeMembers.index],
  [MediaType.artifact, typeMembers.artifact]
])

/** Returns a media type without parameters. Fails if no manifest may have the media type. Empty: the type is unknown. */
export const check = (mediaType: string): Either.Either<string, Refusal> => {
  const type = MediaType.essence(mediaType)
  if (type !== "" && !MediaType.isValid(type)) {
    return Either.left(invalid(`"${printable(type, 80)}" is not a media type`))
  }
  if (type === MediaType.dockerSchema1 || type === MediaType.dockerSchema1Signed) return Either.left(schema1())
  return MediaType.isActive(type)
    ? Either.left(invalid(`${printable(type, 80)} is not a type of manifests, since browsers act on such content`))
    : Either.right(type)
}

/** A manifest as it was sent: its bytes and its declared media type. */
export interface Sent {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A manifest that all programs read as the same kind. Its members may be malformed. */
export interface Inspected {
  readonly mediaType: string
  /** `undefined` if the manifest is not a JSON object. */
  readonly document: Raw | undefined
}

/**
 * Fails for a manifest that other programs may read as another kind. `typeOf` chooses the media type of the manifest
 * from the media type that it was sent with, and from its document.
 */
export const inspect = (
  { bytes, mediaType: sentAs }: Sent,
  typeOf: (sentAs: string, document: Raw) => string
): Either.Either<Inspected, Refusal> =>
  Either.gen(function*() {
    const sent = yield* check(sentAs)
    const document = yield* Either.mapLeft(json.parse(bytes), invalid)
    if (document === undefined) return { mediaType: sent, document }
    const mediaType = yield* check(typeOf(sent, document))
    const members = ownMembers.get(mediaType)
    yield* members === undefined ? checkUnknown(mediaType, document) : checkKnown(members, mediaType, document)
    return { mediaType, document }
  })

const nothing: Either.Either<void> = Either.void

const checkKnown = (members: ReadonlyArray<string>, mediaType: string, document: Raw) => {
  const problem = ambiguity(members, mediaType, document)
  return problem === undefined ? nothing : Either.left(invalid(problem))
}

/**
 * Fails for a document of an unknown type that declares another type, or that looks like a manifest of a known type.
 */
const checkUnknown = (mediaType: string, document: Raw): Either.Either<void, Refusal> => {
  const declared = declaredTypes(document)
  const other = declared.find((type) => type !== mediaType)
  if (other !== undefined) return Either.flatMap(check(other), () => Either.left(invalid(otherType(other, mediaType))))
  const shape = declared.length > 0 ? undefined : shapeOf(document)
  if (shape === undefined) return nothing
  const reason = `it looks like one of type ${shape}, but was sent as "${printable(mediaType, 80)}"`
  return Either.flatMap(check(shape), () => Either.left(invalid(reason)))
}

/** Chooses the media type that the manifest was sent with. */
export const asSent = (sentAs: string): string => sentAs

/**
 * If the media type that the manifest was sent with is generic, chooses the type that the document declares or looks
 * like.
 */
export const asDocument = (sentAs: string, document: Raw): string =>
  MediaType.isGeneric(sentAs) ? declaredTypes(document).find(MediaType.isValid) ?? shapeOf(document) ?? sentAs : sentAs
