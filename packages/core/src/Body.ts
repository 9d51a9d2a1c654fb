/**
 * Bodies: values that yield the bytes sent to or received from a registry.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Stream from "effect/Stream"
import { inspect } from "./BodyCombinators.js"
import type { Body } from "./BodyModel.js"
import * as kinds from "./internal/bodyKinds.js"
import * as native from "./internal/source.js"
import { SizeInvalid } from "./RegistryError.js"
import type { RegistryError } from "./RegistryError.js"

export * from "./BodyCombinators.js"
export * from "./BodyModel.js"

/**
 * Calls a function with each chunk of a body, using the cheapest access that the body offers. The function runs
 * synchronously and must keep up with the body: there is no backpressure. If the function throws, the effect dies with
 * a defect.
 *
 * @since 0.1.0
 * @category destructors
 */
export const forEachChunk: {
  (f: (chunk: Uint8Array) => void): (body: Body) => Effect.Effect<void, RegistryError>
  (body: Body, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError>
} = /* @__PURE__ */ dual(2, (body: Body, f: (chunk: Uint8Array) => void): Effect.Effect<void, RegistryError> => {
  const content = kinds.contentOf(body)
  if (content !== undefined) {
    return Effect.suspend(() => {
      const { chunks, error } = content()
      chunks.forEach((chunk) => f(chunk))
      return error === undefined ? Effect.void : Effect.fail(error)
    })
  }
  if (body.source !== undefined) return native.forEach(body.source, f)
  return Stream.runForEachChunk(body.stream, (chunk) => Effect.sync(() => Chunk.forEach(chunk, f)))
})

const overLimit = new SizeInvalid({ reason: "the body is longer than the limit" })

/**
 * Options for {@link toBytes}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToBytesOptions<E> {
  /** The maximum size of the body, in bytes. */
  readonly limit: number
  /** Creates the error for a larger body. */
  readonly onLimit: () => E
}

/**
 * Reads a body into memory, at most `limit` bytes. If the body is larger, fails with the error that `onLimit` returns
 * and does not read the rest.
 *
 * @since 0.1.0
 * @category destructors
 * @example
 * ```ts
 * import { Body, RegistryError } from "@effect-oci/core"
 *
 * const limit = 4 * 1024 * 1024
 * const bytes = Body.toBytes(Body.empty, {
 *   limit,
 *   onLimit: () => new RegistryError.SizeInvalid({ reason: "manifest too large", limit })
 * })
 * ```
 */
export const toBytes: {
  <E>(options: ToBytesOptions<E>): (body: Body) => Effect.Effect<Uint8Array, RegistryError | E>
  <E>(body: Body, options: ToBytesOptions<E>): Effect.Effect<Uint8Array, RegistryError | E>
} = /* @__PURE__ */ dual(2, <E>(
  body: Body,
  { limit, onLimit }: ToBytesOptions<E>
): Effect.Effect<Uint8Array, RegistryError | E> => {
  if (body.size !== undefined && body.size > limit) return Effect.fail(onLimit())
  if (body.bytes !== undefined) return Effect.succeed(body.bytes)
  return Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const limited = inspect(body, () => ({
      update: (chunk) => {
        size += chunk.byteLength
        return size > limit ? overLimit : undefined
      }
    }))
    return Effect.mapBoth(forEachChunk(limited, (chunk) => chunks.push(chunk)), {
      // An error that fails an effect within a span is not the same object.
      onFailure: (error) => size > limit ? onLimit() : error,
      onSuccess: () => concatBytes(chunks, size)
    })
  })
})

/**
 * Joins chunks of bytes. Returns a single chunk as it is, without a copy.
 *
 * @since 0.1.0
 * @category destructors
 */
export const concatBytes = (
  chunks: ReadonlyArray<Uint8Array>,
  size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
): Uint8Array => {
  const only = chunks[0]
  if (chunks.length === 1 && only !== undefined) return only
  const all = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.byteLength
  }
  return all
}
