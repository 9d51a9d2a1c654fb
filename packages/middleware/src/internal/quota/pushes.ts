import { Caller, Operation, RegistryError } from "@effect-oci/core"
import type { Answer, Digest, Handler, RepositoryName } from "@effect-oci/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Amount, Exceeded, Ledger, Limit } from "../../QuotaLedger.js"
import { kinds, nothing } from "../../QuotaLedger.js"
import { digestOf } from "../pushedManifest.js"
import { uploadInstead } from "../uploadInstead.js"

type Name = RepositoryName.RepositoryName
type Push = Extract<Operation.Operation, { readonly repository: Name }>
type Failure = RegistryError.RegistryError

/** The options of a quota, with their defaults. */
interface Options {
  readonly limitsOf: (push: { readonly repository: Name; readonly caller: Caller.Identity }) => ReadonlyArray<Limit>
  readonly ledger: Ledger
  readonly lease: Duration.Duration
}

/** The pushes through a quota. */
export class Pushes {
  constructor(private readonly options: Options, private readonly next: Handler.Handler) {}

  /** Reserves the space of a push, and pushes. */
  push<A>(
    operation: Push,
    amount: Effect.Effect<Partial<Amount> | undefined, Failure>,
    push: () => Effect.Effect<A, Failure>
  ): Effect.Effect<A, Failure> {
    const reserved = Effect.gen(this, function*() {
      const limits = yield* this.#limitsOf(operation)
      if (limits.length === 0) return yield* push()
      const added = yield* amount
      if (added === undefined) return yield* push()
      const isCounted = limits.some((limit) => limit.repositories !== undefined)
      const repositories = isCounted && (yield* this.#isNew(operation.repository)) ? 1 : 0
      const needed = { ...nothing, ...added, repositories }
      const slow = unavailable(operation, "the push takes longer than its reservation of space")
      return yield* Effect.scoped(Effect.timeoutFail(
        Effect.zipRight(
          Effect.forEach(
            limits.filter((limit) => kinds.some((kind) => limit[kind] !== undefined && needed[kind] > 0)),
            (limit) => this.#reserve(operation, limit, needed)
          ),
          Effect.suspend(push)
        ),
        { duration: this.options.lease, onTimeout: () => slow }
      ))
    })
    return Effect.mapError(reserved, named(operation))
  }

  /** Refuses to receive bytes for which there is no space now. They are not reserved. */
  check<A>(operation: Push, bytes: number, push: () => Effect.Effect<A, Failure>): Effect.Effect<A, Failure> {
    return Effect.flatMap(this.#limitsOf(operation), (limits) =>
      Effect.zipRight(
        Effect.forEach(limits.filter((limit) => limit.bytes !== undefined), (limit) =>
          Effect.flatMap(
            this.#ledger(operation, this.options.ledger.used(limit.prefix)),
            (used) =>
              used.bytes + bytes > limit.bytes!
                ? Effect.fail(denied(operation, limit, bytes, { what: "bytes", used: used.bytes, reserved: 0 }))
                : Effect.void
          )),
        Effect.suspend(push)
      ))
  }

  mount(operation: Operation.MountBlob): Answer.Answer<Operation.MountBlob> {
    const { digest, from, repository } = operation
    return Effect.flatMap(this.#limitsOf(operation), (limits) => {
      if (limits.length === 0) return this.next(operation)
      const start = () => this.check(operation, 1, () => uploadInstead(this.next, operation))
      if (from === undefined) return start()
      return Effect.matchEffect(this.next(new Operation.ResolveBlob({ repository: from, digest })), {
        onFailure: (error) => RegistryError.isNotFound(error) ? start() : Effect.fail(named(operation)(error)),
        onSuccess: ({ size }) => this.push(operation, this.blob(repository, digest, size), () => this.next(operation))
      })
    })
  }

  complete(operation: Operation.CompleteUpload): Answer.Answer<Operation.CompleteUpload> {
    const { body, digest, id, offset, repository } = operation
    return Effect.flatMap(this.#limitsOf(operation), (limits) => {
      if (limits.length === 0) return this.next(operation)
      const isSized = body === undefined || body.size !== undefined
      // The size of a body is known after it has been received.
      const received: Effect.Effect<Operation.Upload, Failure> = isSized
        ? this.next(new Operation.GetUpload({ repository, id }))
        : this.next(new Operation.AppendUpload({ repository, id, offset, body }))
      return Effect.flatMap(Effect.mapError(received, named(operation)), (upload) => {
        const size = upload.offset + (isSized ? body?.size ?? 0 : 0)
        const complete = new Operation.CompleteUpload(
          isSized ? { ...operation, id: upload.id } : { repository, digest, id: upload.id }
        )
        return this.push(operation, this.blob(repository, digest, size), () => this.next(complete))
      })
    })
  }

  /** Returns what a blob adds to a repository, or `undefined` if the repository has it. */
  blob(repository: Name, digest: Digest.Digest, size: number): Effect.Effect<Partial<Amount> | undefined, Failure> {
    return Effect.map(
      this.#exists(Effect.suspend(() => this.next(new Operation.ResolveBlob({ repository, digest })))),
      (exists) => exists ? undefined : { bytes: size }
    )
  }

  /** Returns what a manifest and its tags add to a repository, or `undefined` if the repository has them. */
  manifest(operation: Operation.PushManifest): Effect.Effect<Partial<Amount> | undefined, Failure> {
    const { bytes, repository, tags } = operation
    const has = (reference: Operation.TagOrDigest) =>
      this.#exists(Effect.suspend(() => this.next(new Operation.ResolveManifest({ repository, reference }))))
    return Effect.zipWith(
      has(digestOf(operation)),
      Effect.forEach(new Set(tags), has),
      (exists, existing) => {
        const newTags = existing.filter((exists) => !exists).length
        if (exists) return newTags === 0 ? undefined : { tags: newTags }
        return { bytes: bytes.byteLength, manifests: 1, tags: newTags }
      }
    )
  }

  #exists(found: Effect.Effect<unknown, Failure>): Effect.Effect<boolean, Failure> {
    return Effect.matchEffect(found, {
      onFailure: (error) => RegistryError.isNotFound(error) ? Effect.succeed(false) : Effect.fail(error),
      onSuccess: () => Effect.succeed(true)
    })
  }

  #isNew(repository: Name): Effect.Effect<boolean, Failure> {
    const tags = Effect.suspend(() => this.next(new Operation.ListTags({ repository, limit: 1 })))
    return Effect.map(this.#exists(Effect.flatMap(tags, Stream.runDrain)), (exists) => !exists)
  }

  #limitsOf({ repository }: Push): Effect.Effect<ReadonlyArray<Limit>> {
    return Effect.map(
      Caller.Caller,
      (caller) =>
        this.options.limitsOf({ repository, caller }).filter(({ prefix }) =>
          prefix === undefined || repository === prefix || repository.startsWith(`${prefix}/`)
        )
    )
  }

  /** Reserves space, and waits a little if space is reserved for other pushes, which may turn out to need less. */
  #reserve(operation: Push, limit: Limit, amount: Amount, attempts = 10): Effect.Effect<void, Failure, Scope.Scope> {
    const reserve = this.#ledger(operation, this.options.ledger.reserve({ limit, amount, lease: this.options.lease }))
    return Effect.flatMap(reserve, (exceeded) => {
      if (exceeded === undefined) return Effect.void
      const { used, what } = exceeded
      return attempts > 0 && used + amount[what] <= limit[what]!
        ? Effect.delay(Effect.suspend(() => this.#reserve(operation, limit, amount, attempts - 1)), "100 millis")
        : Effect.fail(denied(operation, limit, amount[what], exceeded))
    })
  }

  #ledger<A, R>(operation: Push, effect: Effect.Effect<A, unknown, R>): Effect.Effect<A, Failure, R> {
    return Effect.mapError(effect, (cause) => unavailable(operation, "cannot read or write the quota", cause))
  }
}

const named = (operation: Push) => (error: Failure): Failure =>
  RegistryError.withFields(error, Operation.errorFields(operation))

const unavailable = (operation: Push, reason: string, cause?: unknown): RegistryError.Unavailable =>
  new RegistryError.Unavailable({ ...Operation.errorFields(operation), reason: `${reason}; try again`, cause })

const denied = (operation: Push, limit: Limit, added: number, { reserved, used, what }: Exceeded) =>
  new RegistryError.Denied({
    ...Operation.errorFields(operation),
    reason: `the quota of ${limit.prefix === undefined ? "this registry" : `"${limit.prefix}"`} is ${limit[what]} ` +
      `${what}: ${used} are used, ${reserved === 0 ? "" : `${reserved} are reserved for other pushes, `}` +
      `and this push needs ${added} more`
  })
