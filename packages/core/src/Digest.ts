/**
 * Digests: names of content by its hash, `sha256:…`.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { digestProblem } from "./internal/grammar.js"
import * as hash from "./internal/hash.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"

/**
 * A digest, `algorithm:encoded`. Made only by {@link parse}, {@link make}, {@link fromBytes}, a {@link Hasher} and
 * {@link schema}. Image spec: "Digests".
 *
 * @since 0.1.0
 * @category models
 */
export type Digest = string & Brand.Brand<"Digest">

/**
 * The algorithms by which bytes can be checked here. Digests of other algorithms can be read, kept and compared, but
 * nothing is stored or accepted under one.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "sha256" | "sha512"

/**
 * A hash that is fed piece by piece.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hasher {
  /** Takes the next bytes, and does not keep them. */
  readonly update: (bytes: Uint8Array) => void
  /** The digest of all that came. Ends the hasher: it is called once, and no update may follow. */
  readonly digest: () => Digest
}

/**
 * Whether `text` is a digest.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (text: string): text is Digest => digestProblem(text) === undefined

/**
 * Reads a digest. Those of unknown algorithms are taken if they fit the grammar.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Digest } from "@effect-oci/core"
 *
 * const wrong = Digest.parse("sha256:ABC") // Either.left(SyntaxInvalid)
 * ```
 */
export const parse = (text: string): Either.Either<Digest, SyntaxInvalid> => {
  const reason = digestProblem(text)
  return reason === undefined
    ? Either.right(text as Digest)
    : Either.left(new SyntaxInvalid({ expected: "digest", text, reason }))
}

/**
 * A digest from a text that is known to be one, such as a literal in a program.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid where `text` is not one: for text from elsewhere use {@link parse}
 */
export const make = (text: string): Digest => Either.getOrThrowWith(parse(text), (error) => error)

/**
 * The digest of bytes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Digest } from "@effect-oci/core"
 *
 * const digest = Digest.fromBytes(new TextEncoder().encode("{}"))
 * ```
 */
export const fromBytes = (bytes: Uint8Array, algorithm: Algorithm = "sha256"): Digest => {
  const hasher = hash.make(algorithm)
  hasher.update(bytes)
  return `${algorithm}:${hasher.hex()}` as Digest
}

/**
 * A hasher for content that comes in pieces. It is the platform's native one where there is one (Node, Bun, Deno).
 *
 * @since 0.1.0
 * @category constructors
 */
export const hasher = (algorithm: Algorithm): Hasher => {
  const inner = hash.make(algorithm)
  return { update: inner.update, digest: () => `${algorithm}:${inner.hex()}` as Digest }
}

/**
 * What stands before the colon.
 *
 * @since 0.1.0
 * @category getters
 */
export const algorithm = (digest: Digest): string => digest.slice(0, digest.indexOf(":"))

/**
 * What stands after the colon.
 *
 * @since 0.1.0
 * @category getters
 */
export const encoded = (digest: Digest): string => digest.slice(digest.indexOf(":") + 1)

/**
 * The algorithm of a digest if bytes can be checked against it, else `undefined`.
 *
 * @since 0.1.0
 * @category getters
 */
export const verifiable = (digest: Digest): Algorithm | undefined => {
  const name = algorithm(digest)
  return name === "sha256" || name === "sha512" ? name : undefined
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Digest, string> = Schema.String.pipe(
  Schema.filter((text) => digestProblem(text) ?? true, { identifier: "Digest" })
) as never
