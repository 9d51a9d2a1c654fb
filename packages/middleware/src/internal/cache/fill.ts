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
import type { Keeper } from "./keeper.js"
import { Window } from "./window.js"

/**
 * How the fill of a blob ended: the store has it; the registry behind failed; or it came to nothing for another reason,
 * which is none of the readers' business.
 */
type Outcome =
  | { readonly _tag: "Stored" }
  | { readonly _tag: "Broken"; readonly error: RegistryError.RegistryError }
  | { readonly _tag: "Lost" }

/** A blob on its way into the store. */
export class Fill {
  readonly #outcome = Deferred.unsafeMake<Outcome>(FiberId.none)
  readonly #window: Window

  constructor(readonly descriptor: Descriptor.Descriptor, windowBytes: number) {
    this.#window = new Window(descriptor.size, windowBytes)
  }

  /**
   * Puts the content into the store, which sets the pace. It is checked on its way there, so that the last byte of wrong
   * content reaches neither the store nor a reader. Answers whether it is there.
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

  /** Tells those who wait for it. The first outcome counts. */
  end(outcome: Outcome): void {
    Deferred.unsafeDone(this.#outcome, Exit.succeed(outcome))
    this.#window.end()
  }

  /** A store that begins anew passes over the content again, which is not for the window. */
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
   * The content, to one reader: as it flows into the store, for as long as the reader keeps up. Whoever does not waits
   * for the end of the fill, and goes on from the store; and from the registry behind where the fill came to nothing, or
   * takes longer than `maxWait`.
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
      // What the reader is known by is of the call, and the stream may be run elsewhere.
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
