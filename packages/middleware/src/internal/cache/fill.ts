import { BlobContent, Body, Operation } from "@effect-oci/core"
import type { Descriptor, RegistryError } from "@effect-oci/core"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as answer from "../answer.js"
import type { Keeper } from "./cacheStore.js"
import { Window } from "./ringBuffer.js"

/**
 * How a fill ended: the store has the blob (`Stored`), the upstream failed (`Broken`), or the fill ended for another
 * reason that readers need not know (`Lost`).
 */
type Outcome =
  | { readonly _tag: "Stored" }
  | { readonly _tag: "Broken"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Lost" }

/** A blob that is being pushed into the store. */
export class Fill {
  readonly #outcome = Deferred.unsafeMake<Outcome>(FiberId.none)
  readonly #window: Window

  constructor(readonly descriptor: Descriptor.Descriptor, windowBytes: number) {
    this.#window = new Window(descriptor.size, windowBytes)
  }

  /**
   * Pushes the content into the store, which sets the pace. The content is verified as it flows: the last byte of wrong
   * content reaches neither the store nor a reader. Returns whether the store has the blob.
   */
  put(operation: Operation.GetBlob, content: BlobContent.BlobContent, keeper: Keeper): Effect.Effect<boolean> {
    let broken: RegistryError.RegistryError | undefined
    const checked = answer.mapContentError(BlobContent.verify(content, Operation.errorFields(operation)), (error) => {
      broken = error
      return error
    })
    const push = new Operation.PushBlob({
      repository: operation.repository,
      descriptor: this.descriptor,
      body: this.#watched(checked.body)
    })
    return keeper.write(push, () => broken !== undefined).pipe(
      Effect.map((put) => {
        if (put !== undefined) this.end({ _tag: "Stored" })
        else this.end(broken === undefined ? { _tag: "Lost" } : { _tag: "Broken", error: broken })
        return put !== undefined
      })
    )
  }

  /** Ends the fill for all readers. Only the first outcome counts. */
  end(outcome: Outcome): void {
    Deferred.unsafeDone(this.#outcome, Exit.succeed(outcome))
    this.#window.end()
  }

  /** Adds the bytes to the buffer as they flow. If the store reads the body again, the repeated bytes are skipped. */
  #watched(body: Body.Body): Body.Body {
    return Body.inspect(body, () => {
      let passed = 0
      return Either.right({
        update: (piece) => {
          const known = this.#window.total - passed
          passed += piece.byteLength
          this.#window.push(piece.subarray(known))
          return undefined
        },
        end: () => undefined
      })
    })
  }

  /**
   * Returns the content for one reader: as it flows into the store, while the reader is fast enough. A slower reader
   * waits for the end of the fill and reads the rest from the store. If the fill is lost or takes longer than
   * `maxWait`, the reader reads the rest from the upstream.
   */
  read(
    operation: Operation.GetBlob,
    from: {
      readonly store: (operation: Operation.GetBlob) => answer.AnswerTo<Operation.GetBlob>
      readonly base: (operation: Operation.GetBlob) => answer.AnswerTo<Operation.GetBlob>
      readonly maxWait: number
    }
  ): Effect.Effect<BlobContent.BlobContent, never, Scope.Scope> {
    const { size } = this.descriptor
    const rest = (offset: number, context: Context.Context<Scope.Scope>): Body.Body["stream"] => {
      if (offset === size) return Stream.empty
      const asked = new Operation.GetBlob({ ...operation, range: offset === 0 ? undefined : { offset } })
      const waited = Effect.timeoutTo(Deferred.await(this.#outcome), {
        duration: from.maxWait,
        onSuccess: (outcome): Outcome => outcome,
        onTimeout: (): Outcome => ({ _tag: "Lost" })
      })
      const opened = Effect.flatMap(waited, (outcome): answer.AnswerTo<Operation.GetBlob> => {
        if (outcome._tag === "Stored") return from.store(asked)
        return outcome._tag === "Broken" && offset > 0 ? Exit.fail(outcome.error) : from.base(asked)
      })
      // The caller and other services belong to the call, but the stream may run elsewhere.
      return Stream.unwrap(Effect.map(Effect.provide(opened, context), (content) => content.stream))
    }
    return Effect.map(Effect.context<Scope.Scope>(), (context) => {
      const stream = Stream.suspend(() => {
        const follower = this.#window.follow()
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
