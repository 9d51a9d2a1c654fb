/**
 * A registry whose answers are written down.
 *
 * What for: to make what another registry does, with all its quirks, into a fixture: `Replay` serves it again, without
 * the registry, its network and its credentials.
 *
 * @since 0.1.0
 */
import { Body, Operation, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as answer from "./internal/answer.js"
import * as entries from "./internal/recordingEntry.js"
import type { Content } from "./internal/recordingModel.js"
import type { Answer } from "./internal/witness.js"
import { contentOf, Watched, witness } from "./internal/witness.js"
import * as Recording from "./Recording.js"

/**
 * Where it is written, and what.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E = never, R = never> {
  /** Where the lines go: `Recording.toFile(path)`, or a sink of one's own. */
  readonly to: Recording.Sink | Effect.Effect<Recording.Sink, E, R>
  /** Up to how many bytes content stands in its line: 64 KiB unless said. */
  readonly inline?: number | undefined
}

/**
 * Changes nothing, and writes a line for each operation when its answer has ended: what was asked, and its result or its
 * error. What is interrupted, or dies, has no line, nor has a list that nobody runs.
 *
 * - Content has its sha256 and its size, and its bytes up to `inline`; larger ones are kept apart where the sink does
 *   that. Lists have their items, which are held until they end. Both have how they ended, where that was not at their end.
 * - The ids of uploads, which may hold secrets, are placeholders, and the same id has the same one each time.
 * - Of errors all is written but their cause. URLs lose their query and user information.
 * - Who asks is not written. What stands in content is: a recording of private content is private.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = <E = never, R = never>(
  { inline = 64 * 1024, to }: Options<E, R>
): Effect.Effect<Middleware.Middleware, E, R | Scope.Scope> =>
  Effect.map(Effect.isEffect(to) ? to : Effect.succeed(to), ({ keep: apart, write }) => {
    const aside = apart === undefined
      ? undefined
      : (body: Body.Body) => body.size !== undefined && body.size <= inline ? body : apart(body)
    const keep = { bytes: inline, items: Infinity, aside }
    /** Sees to bytes in hand that are too many for a line. */
    const store = (bytes: Uint8Array | undefined): Effect.Effect<void> =>
      aside === undefined || bytes === undefined || bytes.byteLength <= inline
        ? Effect.void
        : Effect.ignore(Body.forEachChunk(aside(Body.bytes(bytes)), () => {}))

    return (next) => {
      const ids = new entries.UploadIds()
      return <O extends Operation.Operation>(operation: O): answer.AnswerTo<O> => {
        const body = Operation.bodyOf(operation)
        const inHand = body?.bytes ?? ("bytes" in operation ? operation.bytes : undefined)
        const watched = body === undefined || inHand !== undefined
          ? undefined
          : new Watched(aside === undefined ? body : aside(body), inline)
        const sent = (): Content | undefined => inHand === undefined ? watched?.content() : contentOf(inHand, inline)
        const note = (answer: Answer): Effect.Effect<void> =>
          Effect.suspend(() => {
            const line = write(Recording.encode(entries.entry(operation, sent(), answer, ids, inline)))
            return Effect.zipRight(Effect.zipRight(store(inHand), store(received(answer))), line)
          })
        return witness(next, watched === undefined ? operation : withBody(operation, watched.body), keep, note)
      }
    }
  })

/** A manifest comes with its bytes in hand. */
const received = (answer: Answer): Uint8Array | undefined =>
  answer._tag === "Value" && answer.operation === "GetManifest"
    ? (answer.value as Operation.Results["GetManifest"]).bytes
    : undefined

/** The same operation with another body. */
const withBody = <O extends Operation.Operation>(operation: O, body: Body.Body): O => {
  switch (operation._tag) {
    case "PushBlob":
      return new Operation.PushBlob({ ...operation, body }) as O
    case "AppendUpload":
      return new Operation.AppendUpload({ ...operation, body }) as O
    case "CompleteUpload":
      return new Operation.CompleteUpload({ ...operation, body }) as O
    default:
      return operation
  }
}

/**
 * A layer that records what is asked of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<Registry, E, Exclude<R, Scope.Scope> | Registry> => Registry.layer(middleware(options))

/**
 * Records what is asked of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Record, Recording } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const recorded = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(Record.wrap({ to: Recording.toFile("session.jsonl", { blobs: "session" }) }))
 * ```
 */
export const wrap = <E1 = never, R1 = never>(options: Options<E1, R1>) =>
  Registry.wrap<E1, R1 | Scope.Scope>(middleware(options))
