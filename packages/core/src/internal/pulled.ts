import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { RegistryError } from "../RegistryError.js"
import * as Source from "../Source.js"
import type { Next, Through } from "./source.js"

/** The bodies whose consumer pulls: bytes in memory and streams. */

/** What a body in memory yields: its chunks, and its failure if it fails. */
export interface Content {
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly error?: RegistryError | undefined
}

/** A sink that collects what a transformer passes on. */
class Collector implements Source.Sink {
  chunks: Array<Uint8Array> = []
  ended: { readonly error?: RegistryError } | undefined

  readonly data = (chunk: Uint8Array): boolean => {
    if (this.ended === undefined) this.chunks.push(chunk)
    return false
  }
  readonly end = (): void => {
    this.ended ??= {}
  }
  readonly fail = (error: RegistryError): void => {
    this.ended ??= { error }
  }
}

/** Ends a run. A transformer that does not end its sink passes on what it received. */
const finish = (
  out: Collector,
  error: RegistryError | undefined,
  end: Source.Sink["end"],
  fail: Source.Sink["fail"]
): void => {
  if (error === undefined) {
    end()
    out.end()
  } else {
    fail(error)
    out.fail(error)
  }
}

/** Passes content in memory through a transformer. */
export const transformContent = ({ chunks, error }: Content, through: Through): Content => {
  const out = new Collector()
  const { data = out.data, end = out.end, fail = out.fail } = through(out)
  for (const chunk of chunks) {
    if (out.ended !== undefined) break
    data(chunk)
  }
  if (out.ended === undefined) finish(out, error, end, fail)
  return { chunks: out.chunks, error: out.ended?.error }
}

/** Returns a stream of content in memory. The content is computed each time the stream is run. */
export const toStream = (compute: () => Content): Bytes =>
  Stream.suspend(() => {
    const { chunks, error } = compute()
    const all = Stream.fromChunk(Chunk.unsafeFromArray(chunks))
    return error === undefined ? all : Stream.concat(all, Stream.fail(error))
  })

type Bytes = Stream.Stream<Uint8Array, RegistryError>
type BytesChannel = Channel.Channel<
  Chunk.Chunk<Uint8Array>,
  Chunk.Chunk<Uint8Array>,
  RegistryError,
  RegistryError,
  unknown,
  unknown
>

/** Passes a stream through a transformer. It uses one channel, at about half the cost of an operator for each event. */
export const transformStream = (inner: Bytes, through: Through): Bytes =>
  Stream.suspend(() => {
    const out = new Collector()
    const { data = out.data, die, end = out.end, fail = out.fail, resume } = through(out)
    const again = Channel.suspend(() => {
      resume?.()
      return pull
    })
    /** Writes what was passed on, then ends or continues. If a piece failed the sink, its whole chunk is dropped. */
    const flush = (): BytesChannel => {
      const { chunks, ended } = out
      if (ended?.error !== undefined) return Channel.fail(ended.error)
      const rest = ended === undefined ? again : Channel.void
      if (chunks.length === 0) return ended === undefined ? pull : rest
      out.chunks = []
      return Channel.zipRight(Channel.write(Chunk.unsafeFromArray(chunks)), rest)
    }
    const pull: BytesChannel = Channel.readWithCause({
      onInput: (pieces: Chunk.Chunk<Uint8Array>) => {
        for (const piece of pieces) {
          if (out.ended !== undefined) break
          data(piece)
        }
        // Nothing of a chunk that fails is passed on: a consumer may complete with the last expected byte.
        return out.ended?.error === undefined ? flush() : Channel.fail(out.ended.error)
      },
      onFailure: (cause: Cause.Cause<RegistryError>) =>
        Either.match(Cause.failureOrCause(cause), {
          onLeft: (error) => {
            finish(out, error, end, fail)
            return flush()
          },
          onRight: (cause) => {
            die?.(cause)
            return Channel.failCause(cause)
          }
        }),
      onDone: () => {
        finish(out, undefined, end, fail)
        return flush()
      }
    })
    if (out.ended === undefined) return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(inner), pull))
    return out.ended.error === undefined ? Stream.empty : Stream.fail(out.ended.error)
  })

/** Returns a stream that continues with the stream that `next` opens, whenever a stream ends or fails. */
export const sequence = (first: Bytes, next: Next<Bytes>): Bytes => {
  let passed = 0
  const count = (pieces: Chunk.Chunk<Uint8Array>) => {
    for (const piece of pieces) passed += piece.byteLength
    return pieces
  }
  const follow = (error: RegistryError | undefined) =>
    Channel.unwrap(Effect.map(next(error, passed), (stream) => stream === undefined ? Channel.void : connect(stream)))
  const connect = (stream: Bytes): ReturnType<typeof Stream.toChannel<Uint8Array, RegistryError, never>> =>
    Channel.foldCauseChannel(Channel.mapOut(Stream.toChannel(stream), count), {
      onFailure: (cause) => Either.match(Cause.failureOrCause(cause), { onLeft: follow, onRight: Channel.failCause }),
      onSuccess: () => follow(undefined)
    })
  return Stream.fromChannel(connect(first))
}

/** The size of the largest piece of content in memory that is passed at once, in bytes. */
const pieceSize = 64 * 1024

const inPieces = function*(chunks: ReadonlyArray<Uint8Array>) {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += pieceSize) yield chunk.subarray(at, at + pieceSize)
  }
}

/** Converts content in memory to a source. */
export const toSource = (compute: () => Content): Source.Source => (sink) => {
  const { chunks, error } = compute()
  const pieces = Source.fromChunks(inPieces(chunks))
  return pieces(error === undefined ? sink : { ...sink, end: () => sink.fail(error) })
}
