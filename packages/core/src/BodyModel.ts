/**
 * The model of bodies and their constructors. Import them from `Body`.
 *
 * @since 0.1.0
 */
import type { Pipeable } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Digest from "./Digest.js"
import * as kinds from "./internal/bodyKinds.js"
import { TypeId } from "./internal/bodyKinds.js"
import { fromBodyFailure } from "./RegistryError.js"
import type { RegistryError } from "./RegistryError.js"
import * as Source from "./Source.js"

export { TypeId } from "./internal/bodyKinds.js"

/**
 * A cold stream of bytes. `size` is the size in bytes, if known. `replayable` says whether the stream can be run again.
 * `bytes` contains the whole content if the content is in memory. `stream` is always present.
 *
 * A body arrives in one of three ways: from memory, from a native source, or from a stream. The functions of this
 * module work on all of them in the same way, and keep a native source native. `source` is that source; use
 * {@link toSource} to connect any body to a native sink.
 *
 * `digest` is the digest that {@link verify} compares the content with, if it does: with other content, the body fails.
 * A store need not hash the content of such a body again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Body extends Pipeable {
  readonly [TypeId]: TypeId
  readonly size: number | undefined
  readonly replayable: boolean
  readonly stream: Stream.Stream<Uint8Array, RegistryError>
  readonly bytes: Uint8Array | undefined
  readonly source: Source.Source | undefined
  readonly digest?: Digest.Digest | undefined
}

/**
 * What is known about a body.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fields {
  /** The size in bytes. A registry may refuse a body without a size. */
  readonly size?: number | undefined
  /** Whether the body yields the same bytes each time it is run. Default: `false`, as for a socket or a pipe. */
  readonly replayable?: boolean | undefined
}

/**
 * Returns whether a value is a body.
 *
 * @since 0.1.0
 * @category guards
 */
export const isBody = (value: unknown): value is Body => Predicate.hasProperty(value, TypeId)

/**
 * Creates a body from bytes in memory. The bytes are not copied and must not be changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bytes = (content: Uint8Array): Body => new kinds.InMemory(content, content.byteLength)

/**
 * A body from bytes in memory whose digest is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hashed extends Body {
  readonly bytes: Uint8Array
  readonly size: number
  readonly digest: Digest.Digest
}

/**
 * Creates a body from bytes in memory, and computes their digest. A verification against this digest does not hash the
 * bytes again. `Descriptor.fromBody` returns the descriptor of the body. The bytes are not copied and must not be changed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body, Descriptor, Registry, RepositoryName } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const push = (bytes: Uint8Array) =>
 *   Effect.flatMap(Registry, (registry) => {
 *     const body = Body.hashed(bytes)
 *     return registry.pushBlob(RepositoryName.make("team/app"), Descriptor.fromBody(body), body)
 *   })
 * ```
 */
export const hashed = (content: Uint8Array, algorithm: Digest.Algorithm = "sha256"): Hashed =>
  new kinds.InMemory(content, content.byteLength, undefined, Digest.fromBytes(content, algorithm)) as Hashed

/**
 * The empty body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Body = bytes(new Uint8Array(0))

/**
 * Creates a body from a stream.
 *
 * A failure of the stream becomes a `BodyFailed`, unless it is a `RegistryError` already, as in a copy between
 * registries.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body } from "@effect-oci/core"
 * import { Stream } from "effect"
 *
 * const zeros = Body.stream(Stream.make(new Uint8Array(1024), new Uint8Array(1024)), { size: 2048, replayable: true })
 * ```
 */
export const stream = <E>(content: Stream.Stream<Uint8Array, E>, fields?: Fields): Body =>
  new kinds.Streamed(Stream.mapError(content, fromBodyFailure), fields)

/**
 * Creates a body from a native source, such as a Node stream. A native source can be connected to a native sink
 * directly, without an Effect stream between them. If the body is read as a stream instead, the stream buffers at most
 * 1 MiB of unread data and one chunk.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Body, RegistryError } from "@effect-oci/core"
 * import { createReadStream } from "node:fs"
 *
 * const file = (path: string, size: number) =>
 *   Body.fromSource((sink) => {
 *     const readable = createReadStream(path)
 *       .on("data", (chunk) => {
 *         if (!sink.data(chunk as Buffer)) readable.pause()
 *       })
 *       .on("end", sink.end)
 *       .on("error", (cause) => sink.fail(RegistryError.fromBodyFailure(cause)))
 *     return { resume: () => readable.resume(), cancel: () => readable.destroy() }
 *   }, { size, replayable: true })
 * ```
 */
export const fromSource = (content: Source.Source, fields?: Fields): Body => new kinds.Native(content, fields)

/**
 * Creates a body that fails with an error when it is run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (error: RegistryError): Body => new kinds.Native(Source.fail(error), { replayable: true })

/**
 * Returns whether a fiber must run the body: whether the body is a stream.
 *
 * @since 0.1.0
 * @category getters
 */
export const needsFiber: (body: Body) => boolean = kinds.needsFiber
