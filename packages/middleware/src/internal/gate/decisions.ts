import { Answer, Caller, Manifest, MediaType, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Decision } from "../../Authorize.js"
import * as records from "../records.js"

const Verdict = Schema.Struct({
  allowed: Schema.Boolean,
  reason: Schema.optional(Schema.String),
  /** The time until which the verdict counts, in milliseconds since 1970. Absent: for ever. */
  validUntil: Schema.optional(Schema.Finite),
  /** Whether this is an index that another index permits, so that the manifests in it are to be permitted too. */
  inherited: Schema.optional(Schema.Boolean)
})

type Verdict = typeof Verdict.Type

/** When a caller whose wait has ended should try again, in milliseconds. */
const retryAfter = 5000

/** How many pushed manifests are remembered with the name of the caller. */
const maxPushers = 10_000

/** The options of a gate, with their defaults. */
export interface Options {
  readonly decide: (
    request: { readonly repository: RepositoryName.RepositoryName; readonly manifest: Manifest.Manifest }
  ) => Effect.Effect<boolean | Decision, RegistryError.RegistryError>
  readonly covers: boolean
  readonly deadline: Duration.Duration
  /** In milliseconds. */
  readonly permitTimeToLive: number
  /** In milliseconds. */
  readonly denialTimeToLive: number
  readonly verdicts: KeyValueStore.KeyValueStore | undefined
  readonly maxDecisions: number
  readonly scope: Scope.Scope
}

type Read = Operation.ResolveManifest | Operation.GetManifest

/** The decisions of a gate: those that run, and the verdicts. */
export class Decisions {
  readonly #verdicts: records.Records<Verdict>
  readonly #running: SingleFlight<string, Verdict, RegistryError.RegistryError>
  /** The names of the callers who pushed manifests. */
  readonly #pushers = new LruMap<string, string>(maxPushers)

  constructor(private readonly options: Options) {
    this.#verdicts = records.make("verdict", Verdict, options.verdicts)
    this.#running = new SingleFlight({ scope: options.scope, max: options.maxDecisions })
  }

  /** Fails unless a manifest is permitted. Waits for the decision if there is none yet. */
  check(
    operation: Read,
    descriptor: Descriptor.Descriptor,
    manifest: Effect.Effect<Manifest.Manifest, RegistryError.RegistryError>
  ): Effect.Effect<void, RegistryError.RegistryError> {
    const { repository } = operation
    return Answer.flatMap(this.#known(repository, descriptor), (known) => {
      if (known !== undefined) {
        const covered = known.allowed && known.inherited === true && operation._tag === "GetManifest"
        return covered
          ? Effect.flatMap(manifest, (index) => this.#cover(repository, index, known))
          : settle(operation, known)
      }
      return this.#isPusher(repository, descriptor, () => this.#wait(operation, descriptor, manifest))
    })
  }

  /** Starts the decision about a pushed manifest. */
  pushed(operation: Operation.PushManifest, { digest }: Descriptor.Descriptor): Effect.Effect<void> {
    const { bytes, mediaType, repository } = operation
    const manifest = Manifest.make({ mediaType: MediaType.essence(mediaType), bytes, digest })
    if (Either.isLeft(manifest)) return Effect.void
    const { descriptor } = manifest.right
    return Effect.flatMap(Caller.Caller, ({ name }) => {
      if (name !== undefined) this.#pushers.set(namesOf(repository, descriptor).join("\n"), name)
      const decision = this.#decision(repository, descriptor, Effect.succeed(manifest.right))
      return Effect.asVoid(Effect.forkIn(Effect.ignore(decision), this.options.scope))
    })
  }

  /** Returns the verdict that counts at present. */
  #known(
    repository: RepositoryName.RepositoryName,
    descriptor: Descriptor.Descriptor
  ): Effect.Effect<Verdict | undefined> {
    const verdict = Answer.catchAll(
      this.#verdicts.get(...namesOf(repository, descriptor)),
      (error) => Effect.as(logFailure("read", error), undefined)
    )
    return Answer.flatMap(verdict, (known) =>
      known?.validUntil === undefined
        ? Answer.succeed(known)
        : Effect.map(Clock.currentTimeMillis, (now) => now < known.validUntil! ? known : undefined))
  }

  #isPusher(
    repository: RepositoryName.RepositoryName,
    descriptor: Descriptor.Descriptor,
    otherwise: () => Effect.Effect<void, RegistryError.RegistryError>
  ): Effect.Effect<void, RegistryError.RegistryError> {
    const pusher = this.#pushers.get(namesOf(repository, descriptor).join("\n"))
    return pusher === undefined
      ? otherwise()
      : Effect.flatMap(Caller.Caller, ({ name }) => name === pusher ? Effect.void : otherwise())
  }

  #wait(
    operation: Read,
    descriptor: Descriptor.Descriptor,
    manifest: Effect.Effect<Manifest.Manifest, RegistryError.RegistryError>
  ): Effect.Effect<void, RegistryError.RegistryError> {
    const fields = Operation.errorFields(operation)
    const tryAgain = (reason: string) =>
      new RegistryError.TooManyRequests({ ...fields, reason: `${reason}; try again`, retryAfter })
    return this.#decision(operation.repository, descriptor, manifest).pipe(
      Effect.mapError((error) => RegistryError.withFields(error, fields)),
      Effect.timeoutFail({
        duration: this.options.deadline,
        onTimeout: () => tryAgain(`there is no decision about ${descriptor.digest} yet`)
      }),
      Effect.flatMap((verdict): Effect.Effect<void, RegistryError.RegistryError> =>
        verdict === undefined
          ? Effect.fail(tryAgain("too many decisions are running"))
          : settle(operation, verdict)
      )
    )
  }

  /** Decides about a manifest, once for all callers that wait. Returns `undefined` if too many decisions are running. */
  #decision(
    repository: RepositoryName.RepositoryName,
    descriptor: Descriptor.Descriptor,
    manifest: Effect.Effect<Manifest.Manifest, RegistryError.RegistryError>
  ): Effect.Effect<Verdict | undefined, RegistryError.RegistryError> {
    const decide = Effect.gen(this, function*() {
      const found = yield* manifest
      const decision = yield* Effect.provideService(
        this.options.decide({ repository, manifest: found }),
        Caller.Caller,
        Caller.anonymous
      )
      const verdict = yield* this.#verdictOf(typeof decision === "boolean" ? { allowed: decision } : decision)
      yield* this.#remember(repository, descriptor, verdict)
      if (verdict.allowed && this.options.covers) yield* this.#cover(repository, found, verdict)
      return verdict
    })
    // Another decision may have ended since the caller looked for a verdict.
    const work = Effect.flatMap(
      this.#known(repository, descriptor),
      (known) => known === undefined ? decide : Effect.succeed(known)
    )
    return this.#running.run(
      namesOf(repository, descriptor).join("\n"),
      (complete) => Effect.map(work, complete)
    )
  }

  #verdictOf({ allowed, reason }: Decision): Effect.Effect<Verdict> {
    const timeToLive = allowed ? this.options.permitTimeToLive : this.options.denialTimeToLive
    return Effect.map(Clock.currentTimeMillis, (now) => ({
      allowed,
      reason,
      validUntil: timeToLive === Infinity ? undefined : now + timeToLive
    }))
  }

  /** Permits the manifests in an index. */
  #cover(
    repository: RepositoryName.RepositoryName,
    { bytes, descriptor: { mediaType } }: Manifest.Manifest,
    { validUntil }: Verdict
  ): Effect.Effect<void> {
    const document = Either.getOrUndefined(Manifest.parse({ mediaType, bytes }))
    return document?._tag !== "Index" ? Effect.void : Effect.forEach(
      document.manifests,
      (child) => this.#remember(repository, child, { allowed: true, validUntil, inherited: isIndex(child) }),
      { discard: true }
    )
  }

  #remember(
    repository: RepositoryName.RepositoryName,
    descriptor: Descriptor.Descriptor,
    verdict: Verdict
  ): Effect.Effect<void> {
    return Effect.catchAll(
      this.#verdicts.set(verdict, ...namesOf(repository, descriptor)),
      (error) => logFailure("write", error)
    )
  }
}

const isIndex = ({ mediaType }: Descriptor.Descriptor): boolean =>
  [MediaType.index, MediaType.dockerList].includes(MediaType.essence(mediaType))

/** Returns what a verdict is about. The same bytes with another media type may mean something else to a client. */
const namesOf = (
  repository: RepositoryName.RepositoryName,
  { digest, mediaType }: Descriptor.Descriptor
): ReadonlyArray<string> => [repository, digest, MediaType.essence(mediaType)]

const settle = (operation: Read, { allowed, reason }: Verdict): Effect.Effect<void, RegistryError.Denied> =>
  allowed
    ? Answer.done
    : Answer.fail(
      new RegistryError.Denied({
        ...Operation.errorFields(operation),
        reason: reason ?? "the registry does not serve this manifest: it was not permitted"
      })
    )

const logFailure = (action: "read" | "write", error: unknown) =>
  Effect.annotateLogs(Effect.logWarning(`cannot ${action} a verdict of the gate; it is decided again`), {
    error: String(error)
  })
