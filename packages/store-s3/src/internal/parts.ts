import * as Body from "@effect-oci/core/Body"
import * as Source from "@effect-oci/core/Source"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { MakeBuffers } from "./buffers.js"
import { PartReader } from "./partReader.js"
import type { Part } from "./partReader.js"

/** How a body is received. */
export interface Receiving<A, E> {
  readonly body: Body.Body
  readonly buffers: MakeBuffers
  readonly concurrency: number
  /** Returns the size of a full part. */
  readonly sizeOfPart: (index: number) => number
  /** Sends a part. Several calls run at the same time. */
  readonly send: (part: Part, index: number) => Effect.Effect<A, E>
}

/**
 * Receives a body in parts, and sends each part while the next one arrives. Returns what `send` returned, in the order
 * of the parts. The body is paused while too many parts are in memory.
 */
export const receive = <A, E>(
  { body, buffers, concurrency, send, sizeOfPart }: Receiving<A, E>
): Effect.Effect<ReadonlyArray<A>, E> =>
  Effect.gen(function*() {
    const memory = yield* buffers(body.size)
    const fork = yield* Source.fork
    const reader = yield* Effect.acquireRelease(
      Effect.sync(() => new PartReader(Body.toSource(body, fork), body.size)),
      (reader) => reader.stop
    )
    const parts = Stream.unfoldEffect(0, (index) =>
      index < 0
        ? Effect.succeedNone
        : memory.acquire.pipe(
          Effect.zipRight(reader.take(sizeOfPart(index))),
          Effect.map((part) => Option.some([{ part, index }, part.end === undefined ? index + 1 : -1] as const))
        ))
    const sent = Stream.mapEffect(
      parts,
      ({ index, part }) => Effect.ensuring(send(part, index), memory.release),
      { concurrency }
    )
    return Array.from(yield* Stream.runCollect(sent))
  }).pipe(Effect.scoped)
