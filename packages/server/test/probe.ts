/** A registry whose every step is seen, and which waits where it is told to. */
import { BlobContent, Body, Descriptor, Handler, Registry, RegistryError } from "@effect-oci/core"
import type { ByteRange, Operation } from "@effect-oci/core"
import { Deferred, Effect, Stream } from "effect"
import type { Exit } from "effect"

/** How the scopes of contents ended, and how many are open. */
export interface Seen {
  opened: number
  readonly closed: Array<Exit.Exit<unknown, unknown>>
}

const other = <O extends Operation.Operation>(_: O) => Effect.fail(new RegistryError.Unsupported({})) as never

/** A registry that answers nothing but what it is given rows for. */
export const answering = (rows: Partial<Handler.Table>) => Registry.layerHandler(Handler.override(other, rows))

/** A registry whose one blob is this content, behind a scope that is looked at. */
export const holding = (seen: Seen, contentOf: Content) =>
  answering({
    GetBlob: (operation) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          seen.opened += 1
        }),
        (_, exit) => Effect.sync(() => void seen.closed.push(exit))
      ).pipe(
        // It takes a turn, as an answer from elsewhere does.
        Effect.zipRight(Effect.yieldNow()),
        Effect.as(contentOf(operation))
      ),
    ResolveBlob: (operation) => Effect.succeed({ ...contentOf(operation).descriptor })
  })

export const nothingSeen = (): Seen => ({ opened: 0, closed: [] })

export const piece = new Uint8Array(64 * 1024).fill(7)

/** A body, and how many bytes were asked of it. */
export interface Generated {
  readonly body: Body.Body
  readonly produced: () => number
}

/** Pieces of 64 KiB, made as they are asked for, as a stream. */
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

/** The same by callbacks. */
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

/** The content of whatever blob is asked for. */
export type Content = (operation: Pick<Operation.GetBlob, "digest">) => BlobContent.BlobContent

/** A blob of a body, whatever its digest is. */
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

/** Looks again at each turn of the event loop: what is waited for happens by itself. */
export const until = (there: () => boolean): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const look = () => void (there() ? resume(Effect.void) : setImmediate(look))
    look()
  })

/** Begins, says so, and never ends; says how it ended after all. */
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
