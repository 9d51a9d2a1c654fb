/**
 * A wrapper that records the results of a registry.
 *
 * Use it to make a test fixture from a real registry with all its quirks: `Replay` returns the recorded results again,
 * without the registry, the network and the credentials.
 *
 * @since 0.1.0
 */
import { Body, Operation, Registry } from "@effect-oci/core"
import type { Manifest, Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { entry, UploadIds } from "./internal/entry.js"
import { contentOf, ObservedBody, observeResponse } from "./internal/observeResponse.js"
import type { ObservedResponse } from "./internal/observeResponse.js"
import * as Recording from "./Recording.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** The destination of the lines: `Recording.toFile(path)`, or your own sink. */
  readonly to: Recording.Sink | Effect.Effect<Recording.Sink, E, R>
  /** Content up to this size, in bytes, is part of its line. Default: 64 KiB. */
  readonly inline?: number | undefined
}

/**
 * Creates a middleware that writes a line for each operation when its result has ended: the operation, and its result
 * or error. It changes no results. An operation that is interrupted or dies has no line, and neither has a list that is
 * never run.
 *
 * - Content is recorded with its sha256 and its size. Bytes up to `inline` are part of the line; larger content goes to
 *   a file of its own if the sink supports that. A list is recorded with its items, which stay in memory until it ends.
 *   If content or a list was not read to its end, the line says how it ended.
 * - The ids of uploads, which may contain secrets, are replaced by placeholders. The same id has the same placeholder
 *   each time.
 * - Errors are recorded without their cause. URLs are recorded without their query and user information.
 * - The caller is not recorded. Content is recorded unchanged: a recording of private content is private.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <E = never, R = never>(
  { inline = 64 * 1024, to }: Options<E, R>
): Effect.Effect<Middleware.Middleware, E, R | Scope.Scope> =>
  Effect.map(Effect.isEffect(to) ? to : Effect.succeed(to), (sink) => {
    const storing = sink.store
    const store = storing &&
      ((body: Body.Body) => body.size !== undefined && body.size <= inline ? body : storing(body))
    const limits = { bytes: inline, items: Infinity, store }
    /** Stores bytes that are in memory and too large for a line. */
    const storeBytes = (bytes: Uint8Array | undefined): Effect.Effect<void> =>
      store === undefined || bytes === undefined || bytes.byteLength <= inline
        ? Effect.void
        : Effect.ignore(Body.forEachChunk(store(Body.bytes(bytes)), () => {}))

    return (next) => {
      const ids = new UploadIds()
      return (operation) => {
        const body = Operation.bodyOf(operation)
        const bytes = "bytes" in operation ? operation.bytes : body?.bytes
        const observed = body === undefined || bytes !== undefined
          ? undefined
          : new ObservedBody(store?.(body) ?? body, inline)
        const observedOperation = observed === undefined ? operation : Operation.mapBody(operation, () => observed.body)
        return observeResponse(next, observedOperation, limits, (response) =>
          Effect.suspend(() => {
            const sent = bytes === undefined ? observed?.content() : contentOf(bytes, inline)
            const line = Recording.encode(entry(operation, sent, response, ids, inline))
            return Effect.all([storeBytes(bytes), storeBytes(bytesOf(operation, response)), sink.write(line)], {
              discard: true
            })
          }))
      }
    }
  })

/** Returns the bytes of a response that are in memory: those of a manifest or a blob. */
const bytesOf = (operation: Operation.Operation, response: ObservedResponse): Uint8Array | undefined => {
  if (response._tag === "Blob") return response.blob.body.bytes
  return response._tag === "Value" && operation._tag === "GetManifest"
    ? (response.value as Manifest.Manifest).bytes
    : undefined
}

/**
 * Creates a layer that requires a registry, and provides that registry with its operations recorded. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<Registry, E, Exclude<R, Scope.Scope> | Registry> => Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are recorded.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Record, Recording } from "@effect-oci/recording"
 * import type { Layer } from "effect"
 *
 * const recorded = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(Record.wrap({ to: Recording.toFile("session.jsonl", { blobs: "session" }) }))
 * ```
 */
export const wrap = <E1 = never, R1 = never>(options: Options<E1, R1>) =>
  Registry.wrap<E1, R1 | Scope.Scope>(middleware(options))
