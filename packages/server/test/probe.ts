/** Registries that record each step, and that can be paused by a test. */
import { BlobContent, Body, Descriptor, Handler, Registry, RegistryError } from "@effect-oci/core"
import type { ByteRange, Operation } from "@effect-oci/core"
import { Deferred, Effect, Stream } from "effect"
import type { Exit } from "effect"

/** The exits of the scopes of contents, and the number of open scopes. */
export interface Seen {
  opened: number
  readonly closed: Array<Exit.Exit<unknown, unknown>>
}

const other = <O extends Operation.Operation>(_: O) => Effect.fail(new RegistryError.Unsupported({})) as never

/** A registry that supports only the operations of the given rows. */
export const answering = (rows: Partial<Handler.Table>) => Registry.layerHandler(Handler.override(other, rows))

/** A registry whose only blob is this content, in a recorded scope. */
export const holding = (seen: Seen, contentOf: Content) =>
  answering({
    GetBlob: (operation) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          seen.opened += 1
        }),
        (_, exit) => Effect.sync(() => void seen.closed.push(exit))
      ).pipe(
        // Takes a turn of the event loop, as the answer of an upstream registry does.
        Effect.zipRight(Effect.yieldNow()),
        Effect.as(contentOf(operation))
      ),
    ResolveBlob: (operation) => Effect.succeed({ ...contentOf(operation).descriptor })
  })

export const nothingSeen = (): Seen => ({ opened: 0, closed: [] })

export const piece = new Uint8Array(64 * 1024).fill(7)

/** A body, and the number of bytes that were read from it. */
export interface Generated {
  readonly body: Body.Body
  readonly produced: () => number
}

/** A stream of pieces of 64 KiB that are made on demand. */
export const generatedStream = (pieces: number): Generated => {
  let produced = 0
  const next = Effect.sync(() => {
    produced += piece.byteLength
    return piece
  })
  return {
    body: Body.stream(Stream.take(Stream.repeatEffect(next), pieces), { size: pieces * piece.byteLength }),
    produced: () => produced
  }
}

/** The same as a native source. */
export const generatedSource = (pieces: number): Generated => {
  let produced = 0
  return {
    body: Body.fromSource((sink) => {
      let paused = false
      let over = false
      const flow = () => {
        if (over) return
        if (produced === pieces * piece.byteLength) {
          over = true
          return sink.end()
        }
        produced += piece.byteLength
        paused = !sink.data(piece)
        if (!paused) setImmediate(flow)
      }
      setImmediate(flow)
      return {
        resume: () => {
          if (!paused) return
          paused = false
          setImmediate(flow)
        },
        cancel: () => {
          over = true
        }
      }
    }, { size: pieces * piece.byteLength }),
    produced: () => produced
  }
}

/** The content of every requested blob. */
export type Content = (operation: Pick<Operation.GetBlob, "digest">) => BlobContent.BlobContent

/** Returns the content of a blob, whatever its digest is. */
export const content = (
  body: Body.Body,
  options?: { readonly size?: number; readonly verified?: boolean; readonly range?: ByteRange.Span }
): Content =>
(operation) =>
  new BlobContent.BlobContent({
    descriptor: {
      mediaType: Descriptor.octetStream,
      digest: operation.digest,
      size: options?.size ?? body.size ?? 0
    },
    range: options?.range,
    body,
    verified: options?.verified ?? true
  })

/** Checks a condition in each turn of the event loop until it is true. */
export const until = (there: () => boolean): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const look = () => void (there() ? resume(Effect.void) : setImmediate(look))
    look()
  })

/** An effect that never completes. Reports when it begins, and with which exit it ends. */
export const endless = Effect.map(
  Effect.all({ begun: Deferred.make<void>(), ended: Deferred.make<Exit.Exit<unknown, unknown>>() }),
  ({ begun, ended }) => ({
    begun: Deferred.await(begun),
    ended: Deferred.await(ended),
    run: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.onExit(
        Effect.zipRight(Deferred.succeed(begun, undefined), effect),
        (exit) => Deferred.succeed(ended, exit)
      )
  })
)

/** Waits until a number has not grown for a while. */
export const still = (count: () => number): Effect.Effect<number> => {
  let last = -1
  let turns = 0
  return Effect.as(
    until(() => {
      turns = count() === last ? turns + 1 : 0
      last = count()
      return turns > 2000
    }),
    0
  ).pipe(Effect.map(count))
}
