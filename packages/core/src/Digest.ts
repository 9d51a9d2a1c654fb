/**
 * Digests: hashes that identify content, `sha256:…`.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { digestProblem } from "./internal/grammar.js"
import * as hash from "./internal/hash.js"
import { done } from "./Settled.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"

/**
 * A digest, `algorithm:encoded`. Created only by {@link parse}, {@link make}, {@link fromBytes}, a {@link Hasher} and
 * {@link schema}. Image spec: [Digests](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests).
 *
 * @since 0.1.0
 * @category models
 */
export type Digest = string & Brand.Brand<"Digest">

/**
 * The hash algorithms that this library supports. Digests with other algorithms can be parsed, stored and compared, but
 * no content is accepted or stored under them.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "sha256" | "sha512" | "blake3"

/**
 * All algorithms that this library supports.
 *
 * @since 0.1.0
 * @category constants
 */
export const algorithms: ReadonlyArray<Algorithm> = ["sha256", "sha512", "blake3"]

/**
 * An incremental hash.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hasher {
  /** Adds the next bytes to the hash. Does not keep a reference to them. */
  readonly update: (bytes: Uint8Array) => void
  /**
   * Returns the digest of all bytes added so far. Ends the hasher: call it only once, and do not call `update`
   * afterwards.
   */
  readonly digest: () => Digest
  /** Returns a second hasher with the bytes added so far. The two hashers are independent. */
  readonly copy: () => Hasher
}

/**
 * Returns whether `text` is a digest.
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
 * Creates a digest from a text that is known to be valid, such as a literal in a program.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if `text` is not valid: for untrusted text use {@link parse}
 */
export const make = (text: string): Digest => Either.getOrThrowWith(parse(text), (error) => error)

/**
 * Loads an algorithm, given by its name or by a digest. Only blake3 has to be loaded, once in a process. For all other
 * names, and when blake3 is loaded, the answer is settled (see `Answer`).
 *
 * A `Registry` loads the algorithm of the digest in an operation, and a client and a store load the algorithms of the
 * content that they find. Run this effect only before {@link fromBytes} and {@link hasher} with blake3. If blake3 cannot
 * be loaded, content with blake3 digests is refused.
 *
 * Uses WebAssembly: 240 MiB of content a second, where the native sha256 hashes 380 MiB and JavaScript 12 MiB. Uses
 * JavaScript where no WebAssembly can be compiled. Loading takes about 50 ms.
 *
 * @since 0.1.0
 * @category algorithms
 * @example
 * ```ts
 * import { Digest } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const digest = Effect.map(Digest.load("blake3"), () => Digest.fromBytes(new Uint8Array(), "blake3"))
 * ```
 */
export const load = (name: string): Effect.Effect<void> =>
  (name !== "blake3" && !name.startsWith("blake3:")) || hash.isBlake3Loaded() ? done : Effect.promise(hash.loadBlake3)

/**
 * Computes the digest of bytes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Digest } from "@effect-oci/core"
 *
 * const digest = Digest.fromBytes(new TextEncoder().encode("{}"))
 * ```
 * @throws Error if the algorithm is blake3 and it is not loaded (see {@link load})
 */
export const fromBytes = (bytes: Uint8Array, algorithm: Algorithm = "sha256"): Digest => {
  const hasher = hash.make(algorithm)
  hasher.update(bytes)
  return `${algorithm}:${hasher.hex()}` as Digest
}

/**
 * Creates a hasher for content that arrives in pieces. Uses the native implementation of the platform if there is one
 * (Node, Bun, Deno).
 *
 * @since 0.1.0
 * @category constructors
 * @throws Error if the algorithm is blake3 and it is not loaded (see {@link load})
 */
export const hasher = (algorithm: Algorithm): Hasher => fromHash(algorithm, hash.make(algorithm))

const fromHash = (algorithm: Algorithm, inner: hash.Hash): Hasher => ({
  update: inner.update,
  digest: () => `${algorithm}:${inner.hex()}` as Digest,
  copy: () => fromHash(algorithm, inner.copy())
})

/**
 * Returns the algorithm: the part before the colon.
 *
 * @since 0.1.0
 * @category getters
 */
export const algorithm = (digest: Digest): string => digest.slice(0, digest.indexOf(":"))

/**
 * Returns the encoded hash: the part after the colon.
 *
 * @since 0.1.0
 * @category getters
 */
export const encoded = (digest: Digest): string => digest.slice(digest.indexOf(":") + 1)

/**
 * Returns whether this library supports the algorithm of a digest. It may not be loaded yet (see {@link load}).
 *
 * @since 0.1.0
 * @category getters
 */
export const isSupported = (digest: Digest): boolean => algorithms.some((name) => digest.startsWith(`${name}:`))

/**
 * Returns the algorithm of a digest if this library can verify content against it, and `undefined` otherwise. Returns
 * `undefined` for blake3 until it is loaded (see {@link load}).
 *
 * @since 0.1.0
 * @category getters
 */
export const verifiable = (digest: Digest): Algorithm | undefined => {
  const name = algorithm(digest)
  return name === "sha256" || name === "sha512" || (name === "blake3" && hash.isBlake3Loaded()) ? name : undefined
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Digest, string> = /* @__PURE__ */ Schema.String.pipe(
  /* @__PURE__ */ Schema.filter((text) => digestProblem(text) ?? true, { identifier: "Digest" })
) as never
