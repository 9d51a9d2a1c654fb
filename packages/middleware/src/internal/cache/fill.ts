import { Answer, BlobContent, Body, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError } from "@effect-oci/core"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CacheStore } from "./cacheStore.js"
import { RingBuffer } from "./ringBuffer.js"

/**
 * How a fill ended: the store has the blob (`Stored`), the upstream failed (`Failed`), or the fill ended for another
 * reason that readers need not know (`Abandoned`).
 */
type Outcome =
  | { readonly _tag: "Stored" }
  | { readonly _tag: "Failed"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Abandoned" }

/** A blob that is being pushed into the store. */
export class Fill {
  readonly #outcome = Deferred.unsafeMake<Outcome>(FiberId.none)
  readonly #buffer: RingBuffer

  constructor(readonly descriptor: Descriptor.Descriptor, bufferBytes: number) {
    this.#buffer = new RingBuffer(descriptor.size, bufferBytes)
  }

  /**
   * Pushes the content into the store, which sets the pace. The content is verified as it flows: the last byte of wrong
   * content reaches neither the store nor a reader. Returns whether the store has the blob.
   */
  put(operation: Operation.GetBlob, content: BlobContent.BlobContent, store: CacheStore): Effect.Effect<boolean> {
    let failure: RegistryError.RegistryError | undefined
    const verified = BlobContent.mapError(BlobContent.verify(content, Operation.errorFields(operation)), (error) => {
      failure = error
      return error
    })
    const push = new Operation.PushBlob({
      repository: operation.repository,
      descriptor: this.descriptor,
      body: this.#buffering(verified.body)
    })
    return Effect.map(store.write(push, () => failure !== undefined), (pushed) => {
      if (pushed !== undefined) this.end({ _tag: "Stored" })
      else this.end(failure === undefined ? { _tag: "Abandoned" } : { _tag: "Failed", error: failure })
      return pushed !== undefined
    })
  }

  /** Ends the fill for all readers. Only the first outcome counts. */
  end(outcome: Outcome): void {
    Deferred.unsafeDone(this.#outcome, Answer.succeed(outcome))
    this.#buffer.end()
  }

  /** Adds the bytes to the buffer as they flow. If the store reads the body again, the repeated bytes are skipped. */
  #buffering(body: Body.Body): Body.Body {
    return Body.inspect(body, () => {
      let readBytes = 0
      return {
        update: (chunk) => {
          const bufferedBytes = this.#buffer.total - readBytes
          readBytes += chunk.byteLength
          this.#buffer.push(chunk.subarray(bufferedBytes))
          return undefined
        }
      }
    })
  }

  /**
   * Returns the content for one reader: as it flows into the store, while the reader is fast enough. A slower reader
   * waits for the end of the fill and reads the rest from the store. If the fill is abandoned or takes longer than
   * `maxWait`, the reader reads the rest from the upstream.
   */
  read(
    operation: Operation.GetBlob,
    sources: {
      readonly store: (operation: Operation.GetBlob) => Answer.Answer<Operation.GetBlob>
      readonly upstream: (operation: Operation.GetBlob) => Answer.Answer<Operation.GetBlob>
      readonly maxWait: number
    }
  ): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> {
    const { size } = this.descriptor
    const rest = (offset: number, context: Context.Context<Scope.Scope>): Body.Body["stream"] => {
      if (offset === size) return Stream.empty
      const request = new Operation.GetBlob({ ...operation, range: offset === 0 ? undefined : { offset } })
      const outcome = Effect.timeoutTo(Deferred.await(this.#outcome), {
        duration: sources.maxWait,
        onSuccess: (outcome): Outcome => outcome,
        onTimeout: (): Outcome => ({ _tag: "Abandoned" })
      })
      const opened = Effect.flatMap(outcome, (outcome): Answer.Answer<Operation.GetBlob> => {
        if (outcome._tag === "Stored") return sources.store(request)
        return outcome._tag === "Failed" && offset > 0 ? Answer.fail(outcome.error) : sources.upstream(request)
      })
      // The caller and other services belong to the call, but the stream may run elsewhere.
      return Stream.unwrap(Effect.map(Effect.provide(opened, context), (content) => content.stream))
    }
    return Effect.map(Effect.context<Scope.Scope>(), (context) => {
      const stream = Stream.suspend(() => {
        const follower = this.#buffer.follow()
        return Stream.concat(follower.stream, Stream.suspend(() => rest(follower.offset, context)))
      })
      return new BlobContent.BlobContent({
        descriptor: this.descriptor,
        body: Body.stream(stream, { size, replayable: true }),
        verified: false
      })
    })
  }
}
