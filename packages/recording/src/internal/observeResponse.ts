import { Answer, BlobContent, Body, Digest } from "@effect-oci/core"
import type { Handler, Operation, Outcome, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Content, Ended } from "../Recording.js"

/** A response that has ended, as far as it was read. */
export type ObservedResponse =
  | { readonly _tag: "Failure"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Value"; readonly value: unknown }
  | { readonly _tag: "Blob"; readonly blob: BlobContent.BlobContent; readonly content: () => Content }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<unknown>; readonly ended: Ended | undefined }

/** How much of a response stays in memory. */
export interface Limits {
  /** Content up to this size, in bytes, keeps its bytes. */
  readonly bytes: number
  /** The maximum number of items of a list. A longer list is reported as if its reader had stopped early. */
  readonly items: number
  /** Wraps the body of content that is not in memory, to store its bytes. */
  readonly store?: ((body: Body.Body) => Body.Body) | undefined
}

/** Returns the content of bytes in memory. Keeps the bytes if there are at most `limit`. */
export const contentOf = (bytes: Uint8Array, limit: number): Content => ({
  digest: Digest.fromBytes(bytes),
  size: bytes.byteLength,
  bytes: bytes.byteLength > limit ? undefined : bytes
})

/** A body that is observed while it is read. If the body is read several times, the last run counts. */
export class ObservedBody {
  private hasher = Digest.hasher("sha256")
  private size = 0
  private chunks: Array<Uint8Array> | undefined = []
  private ended: Ended | undefined = "early"
  private summary: Content | undefined
  readonly body: Body.Body

  constructor(body: Body.Body, private readonly limit: number, private readonly expectedSize = body.size) {
    this.body = Body.transform(body, (sink) => {
      this.begin()
      return {
        data: (chunk) => {
          this.update(chunk)
          return sink.data(chunk)
        },
        end: () => {
          this.ended = undefined
          sink.end()
        },
        fail: (error) => {
          this.ended = { error }
          sink.fail(error)
        }
      }
    })
  }

  private begin(): void {
    this.hasher = Digest.hasher("sha256")
    this.size = 0
    this.chunks = []
    this.ended = "early"
    this.summary = undefined
  }

  private update(chunk: Uint8Array): void {
    this.hasher.update(chunk)
    this.size += chunk.byteLength
    if (this.size > this.limit) this.chunks = undefined
    // Copied, because the owner of the buffer may reuse it.
    this.chunks?.push(chunk.slice())
  }

  /** Returns the content that was read. */
  content(): Content {
    return this.summary ??= {
      digest: this.hasher.digest(),
      size: this.size,
      bytes: this.chunks && Body.concatBytes(this.chunks, this.size),
      // A reader that knows the size may stop without reading the end marker.
      ended: this.ended === "early" && this.size === this.expectedSize ? undefined : this.ended
    }
  }
}

type Report = (response: ObservedResponse) => Effect.Effect<void>

/**
 * Runs an operation, and calls `report` with its response when the response has ended (see `Answer.onEnd`). An
 * interruption or a defect of the operation is not reported. Changes no results.
 */
export const observeResponse = <O extends Operation.Operation>(
  next: Handler.Handler,
  operation: O,
  limits: Limits,
  report: Report
): Answer.Answer<O> => Answer.onEnd(next, operation, () => listener(limits, report))

const listener = (limits: Limits, report: Report): Answer.Listener => {
  let content: (() => Content) | undefined
  const items: Array<unknown> = []
  return {
    content: (blob) => {
      const { bytes } = blob.body
      if (bytes !== undefined) {
        let summary: Content | undefined
        content = () => summary ??= contentOf(bytes, limits.bytes)
        return blob
      }
      const body = limits.store?.(blob.body) ?? blob.body
      const observed = new ObservedBody(body, limits.bytes, blob.range?.length ?? blob.descriptor.size)
      content = () => observed.content()
      return BlobContent.mapBody(blob, () => observed.body)
    },
    list: (stream) =>
      Stream.mapChunks(stream, (chunk) => {
        for (const item of chunk) if (items.length < limits.items) items.push(item)
        return chunk
      }),
    again: () => Answer.succeed(listener(limits, report)),
    end: ({ amount, outcome, result }) => {
      if (result === undefined) {
        return outcome._tag === "Failure" ? report({ _tag: "Failure", error: outcome.error }) : Effect.void
      }
      if (content !== undefined) return report({ _tag: "Blob", blob: result as BlobContent.BlobContent, content })
      if (amount === undefined) return report({ _tag: "Value", value: result })
      return report({ _tag: "List", items, ended: amount > limits.items ? "early" : endOf(outcome) })
    }
  }
}

const endOf = (outcome: Outcome.Outcome): Ended | undefined => {
  if (outcome._tag === "Success") return undefined
  return outcome._tag === "Failure" ? { error: outcome.error } : "early"
}
