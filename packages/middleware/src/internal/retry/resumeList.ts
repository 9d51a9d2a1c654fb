import type { Answer, Operation, RegistryError } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Attempts } from "./attempts.js"

type ListOperation = Operation.OperationOf<"ListRepositories" | "ListTags" | "ListReferrers">
type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

type ItemOf<O extends ListOperation> = Operation.ResultOf<O> extends Stream.Stream<infer A, infer _E> ? A : never

/** How to resume a list. */
interface Resume<O, A> {
  /** Returns the key that identifies an item. */
  readonly keyOf: (item: A) => string
  /**
   * Returns the operation that lists up to `limit` items after `last`. Absent if the list cannot be resumed: then it is
   * read from the beginning again.
   */
  readonly after?: (operation: O, last: A, limit: number | undefined) => O
}

/**
 * Returns a list that resumes after the last item received if it breaks. If the registry starts from the beginning,
 * because it does not support `last`, the items that were already received are skipped.
 */
export const resumeList =
  <O extends ListOperation, A = ItemOf<O>>(resume: Resume<O, A>) =>
  (attempts: Attempts, operation: O, answer: Answer.Answer<O>): Answer.Answer<O> => {
    let unused: Attempts | undefined = attempts
    const ask = (attempts: Attempts, operation: O) =>
      attempts.next(operation) as Effect.Effect<Items<A>, RegistryError.RegistryError>
    const first = attempts.repeat(answer as ReturnType<typeof ask>, () => ask(attempts, operation))
    return Effect.map(first, (items) =>
      Stream.suspend(() => {
        const list = new ResumedList(unused ?? attempts.restart(), operation, resume, ask)
        unused = undefined
        return list.read(items)
      })) as Answer.Answer<O>
  }

/** One run of a list. */
class ResumedList<O extends ListOperation, A> {
  private first: A | undefined
  private last: A | undefined
  private received = 0
  private readonly limit: number | undefined

  constructor(
    private readonly attempts: Attempts,
    private readonly operation: O,
    private readonly resume: Resume<O, A>,
    private readonly ask: (attempts: Attempts, operation: O) => Effect.Effect<Items<A>, RegistryError.RegistryError>
  ) {
    this.limit = "limit" in operation ? operation.limit : undefined
  }

  read(items: Items<A>): Items<A> {
    return this.attempts.streamWithBudget(items).pipe(
      Stream.mapChunks((chunk) => {
        for (const item of chunk) {
          this.first ??= item
          this.last = item
          this.received++
        }
        return chunk
      }),
      Stream.catchAll((error) => this.isComplete() ? Stream.empty : Stream.unwrap(this.rest(error)))
    )
  }

  /** Returns whether all items were received. A list of at most 0 items can still fail. */
  private isComplete(): boolean {
    return this.received > 0 && this.received >= (this.limit ?? Infinity)
  }

  private rest(error: RegistryError.RegistryError): Effect.Effect<Items<A>, RegistryError.RegistryError> {
    const { attempts, last, limit, operation, received, resume: { after } } = this
    const rest = last === undefined || after === undefined
      ? operation
      : after(operation, last, limit === undefined ? undefined : limit - received)
    return attempts.waitForRetry(error).pipe(
      Effect.zipRight(attempts.persist(() => this.ask(attempts, rest))),
      Effect.map((items) => this.read(last === undefined ? items : this.skipReceived(items, last, error)))
    )
  }

  /**
   * Returns the items after the last item received. If a list starts from the beginning and no longer contains that
   * item, it fails.
   */
  private skipReceived(items: Items<A>, last: A, error: RegistryError.RegistryError): Items<A> {
    const { after, keyOf } = this.resume
    const lastKey = keyOf(last)
    return Stream.suspend(() => {
      // Unknown until the first item, if the list can be resumed.
      let isNew = after === undefined ? false : undefined as boolean | undefined
      const isUnseen = (item: A): boolean => {
        const key = keyOf(item)
        isNew ??= key !== lastKey && (this.first === undefined || key !== keyOf(this.first))
        if (isNew) return true
        isNew = key === lastKey
        return false
      }
      return Stream.concat(
        Stream.mapChunks(items, Chunk.filter(isUnseen)),
        Stream.suspend(() => isNew === false ? Stream.fail(error) : Stream.empty)
      )
    })
  }
}
