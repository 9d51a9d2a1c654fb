import { BlobContent, Body, Digest } from "@effect-oci/core"
import type { Answer, Handler, Operation, Outcome, RegistryError, Source } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Content, Ended } from "../Recording.js"
import * as Reading from "./reading.js"

/** An answer that has ended, as far as it was read. */
export type ObservedResponse =
  | { readonly _tag: "Failure"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Value"; readonly operation: Operation.OperationTag; readonly value: unknown }
  | { readonly _tag: "Blob"; readonly blob: BlobContent.BlobContent; readonly content: () => Content }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<unknown>; readonly ended: Ended | undefined }

/** What is kept of an answer in addition to its metadata. */
export interface Keep {
  /** Bytes of content are kept up to this size. */
  readonly bytes: number
  /**
   * The maximum number of items of a list that are kept. A longer list is reported as if its reader had stopped early.
   */
  readonly items: number
  /** Wraps the body of content whose bytes are not kept. */
  readonly aside?: ((body: Body.Body) => Body.Body) | undefined
}

/** Returns the content of bytes in memory. */
export const contentOf = (bytes: Uint8Array, keep: number): Content => ({
  digest: Digest.fromBytes(bytes),
  size: bytes.byteLength,
  bytes: bytes.byteLength > keep ? undefined : bytes
})

const endedAs = (outcome: Outcome.Outcome | undefined): Ended | undefined => {
  if (outcome?._tag === "Success") return undefined
  return outcome?._tag === "Failure" ? { error: outcome.error } : "early"
}

const noClock = () => 0n

/** A body that is observed while it is read. If it is read several times, the last run counts. */
export class ObservedBody {
  private readonly reading = new Reading.Reading(noClock)
  private hasher = Digest.hasher("sha256")
  private size = 0
  private kept: Array<Uint8Array> | undefined = []
  private seen: Content | undefined
  readonly body: Body.Body

  constructor(body: Body.Body, keep: number, private readonly expected: number | undefined = body.size) {
    const watch = (sink: Source.Sink): Source.Transformer => {
      this.reading.outcome = undefined
      this.hasher = Digest.hasher("sha256")
      this.size = 0
      this.kept = []
      this.seen = undefined
      return {
        data: (chunk) => {
          this.hasher.update(chunk)
          this.size += chunk.byteLength
          if (this.size > keep) this.kept = undefined
          // Copied, because the owner of the buffer may reuse it.
          this.kept?.push(chunk.slice())
          return sink.data(chunk)
        }
      }
    }
    this.body = Reading.body(Body.transform(body, watch), this.reading)
  }

  /** Returns the content that was read. */
  content(): Content {
    return this.seen ??= this.summary()
  }

  private summary(): Content {
    // A reader that knows the size may stop without reading the end marker.
    const ended = this.size === this.expected && this.reading.outcome === undefined
      ? undefined
      : endedAs(this.reading.outcome)
    return {
      digest: this.hasher.digest(),
      size: this.size,
      bytes: this.kept && Body.concatBytes(this.kept, this.size),
      ended
    }
  }
}

type Note = (answer: ObservedResponse) => Effect.Effect<void>

/**
 * Runs an operation, and calls `note` with its answer when the answer has ended: at once; for a list, when its stream
 * ends; for the content of a blob that is not in memory, when its scope closes. An interruption or a defect is not an
 * answer. Changes no results.
 */
export const observeResponse = <O extends Operation.Operation>(
  next: Handler.Handler,
  operation: O,
  keep: Keep,
  note: Note
): Answer.Answer<O> => {
  const settle = (exit: Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>) => {
    if (Exit.isSuccess(exit)) return settled(operation, exit.value, keep, note)
    const error = Cause.failureOption(exit.cause)
    return Option.isNone(error) ? exit : Effect.zipRight(note({ _tag: "Failure", error: error.value }), exit)
  }
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.exit(restore(Effect.suspend(() => next(operation)))),
      settle as (exit: Exit.Exit<Operation.ResultOf<O>, RegistryError.RegistryError>) => Answer.Answer<O>
    )
  )
}

const settled = (
  operation: Operation.Operation,
  result: unknown,
  keep: Keep,
  note: Note
): Effect.Effect<unknown, never, Scope.Scope> => {
  switch (operation._tag) {
    case "GetBlob":
      return blob(result as BlobContent.BlobContent, keep, note)
    case "ListRepositories":
    case "ListTags":
    case "ListReferrers":
      return Exit.succeed(list(result as Stream.Stream<unknown, RegistryError.RegistryError>, keep, note))
    default:
      return Effect.as(note({ _tag: "Value", operation: operation._tag, value: result }), result)
  }
}

const blob = (
  blob: BlobContent.BlobContent,
  keep: Keep,
  note: Note
): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> => {
  const { bytes } = blob.body
  if (bytes !== undefined && (keep.aside === undefined || bytes.byteLength <= keep.bytes)) {
    let content: Content | undefined
    return Effect.as(note({ _tag: "Blob", blob, content: () => content ??= contentOf(bytes, keep.bytes) }), blob)
  }
  const expected = blob.range?.length ?? blob.descriptor.size
  const watched = new ObservedBody((keep.aside ?? same)(blob.body), keep.bytes, expected)
  return Effect.as(
    Effect.addFinalizer(() => note({ _tag: "Blob", blob, content: () => watched.content() })),
    new BlobContent.BlobContent({ ...blob, body: watched.body })
  )
}

const same = <A>(value: A): A => value

const list = (
  items: Stream.Stream<unknown, RegistryError.RegistryError>,
  keep: Keep,
  note: Note
): Stream.Stream<unknown, RegistryError.RegistryError> =>
  Stream.suspend(() => {
    const reading = new Reading.Reading(noClock)
    const seen: Array<unknown> = []
    const see = (chunk: Chunk.Chunk<unknown>) => {
      for (const item of chunk) if (seen.length < keep.items) seen.push(item)
      return Chunk.size(chunk)
    }
    return Stream.ensuring(
      Reading.stream(items, reading, see),
      Effect.suspend(() =>
        note({
          _tag: "List",
          items: seen,
          ended: reading.amount > keep.items ? "early" : endedAs(reading.outcome)
        })
      )
    )
  })
