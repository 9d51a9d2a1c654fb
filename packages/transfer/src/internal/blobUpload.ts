import { BlobPush, Body, ByteRange, Digest, RegistryError, RetryBudget } from "@effect-oci/core"
import type { Descriptor, Operation } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Source } from "../Graph.js"
import { Event } from "../Progress.js"
import type { Tracker } from "../Progress.js"
import { retrying } from "./retrying.js"

/** Options for uploading blobs. */
export interface Options {
  readonly source: Source
  readonly target: Source
  /** The target's registry as the caller passed it, without wrappers: the key of interrupted uploads in the tracker. */
  readonly uploadsOf: object
  readonly retries: number
  readonly chunkSize: number | undefined
  readonly progress: Tracker | undefined
}

type Answer<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** Returns whether an upload may be resumed or started again: the registry was away, or its offset differs from ours. */
const mayResume = (error: RegistryError.RegistryError): boolean =>
  RegistryError.isTransient(error) || error._tag === "OciBlobUploadUnknown" || error._tag === "OciRangeInvalid" ||
  (error._tag === "OciBodyFailed" && RegistryError.isRegistryError(error.cause) && mayResume(error.cause))

/** Returns whether a failed upload cannot be resumed by a later copy. */
const isFinal = (cause: Cause.Cause<RegistryError.RegistryError>): boolean =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => !Cause.isInterrupted(cause),
    onSome: (error) => !mayResume(error)
  })

const firstDelay = Duration.millis(200)

/** Tries again while an error allows it, within the budget of retries of the caller, if there is one. */
const retried =
  (retries: number, allowed: (error: RegistryError.RegistryError) => boolean) => <A>(effect: Answer<A>): Answer<A> =>
    Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
      const budget = outer ?? RetryBudget.make(retries)
      return effect.pipe(
        retrying(allowed, {
          while: (error) => allowed(error) && budget.take(),
          schedule: Schedule.jittered(Schedule.exponential(firstDelay)),
          times: retries
        }),
        Effect.provideService(RetryBudget.RetryBudget, budget)
      )
    })

/** The upload of one blob. If it breaks, it is resumed at the offset of the target, or started again. */
export class BlobUpload {
  /** The newest id of the upload session, or `undefined` if there is no session. */
  private id: string | undefined
  private isSending = false

  /** `opened` is a session that the target has just opened, if there is one: the first attempt uses it. */
  constructor(
    private readonly options: Options,
    private readonly blob: Descriptor.Descriptor,
    private opened: Operation.Upload | undefined
  ) {
    const { progress, target, uploadsOf } = options
    this.id = opened?.id ?? progress?.uploads?.take(uploadsOf, target.repository, blob.digest)
  }

  /** Sends the blob, in several attempts if need be. */
  run(): Answer<void> {
    return Effect.suspend(() => this.attempt()).pipe(
      // The token may have expired since the session was opened: the next attempt requests another token.
      retried(
        this.options.retries,
        (error) => mayResume(error) || (this.isSending && error._tag === "OciUnauthorized")
      ),
      Effect.onError((cause) => this.keepOrCancel(cause))
    )
  }

  private attempt(): Answer<void> {
    this.isSending = false
    return Effect.scoped(
      Effect.flatMap(this.readAhead(), (ahead) =>
        Effect.flatMap(this.session(), (session) => {
          this.id = session.id
          this.opened = undefined
          return Effect.flatMap(ahead, (body) => this.start(session, body))
        }))
    )
  }

  private start(session: Operation.Upload, ahead: Body.Body | undefined): Answer<void> {
    this.isSending = true
    this.options.progress?.report(Event.Started({ descriptor: this.blob, transferred: session.offset }))
    return Effect.catchTag(this.send(session, ahead), "OciDigestInvalid", (error) => this.restart(session, error))
  }

  /**
   * Opens the blob at the source while the target opens a session, if the whole blob will be sent. Returns the effect that
   * waits for the blob.
   */
  private readAhead(): Effect.Effect<Answer<Body.Body | undefined>, never, Scope.Scope> {
    const { blob: { size }, id, opened, options: { chunkSize = Infinity } } = this
    return id === undefined && opened === undefined && size <= chunkSize
      ? Effect.map(Effect.forkScoped(this.read(0, size)), Fiber.join)
      : Effect.succeed(Effect.succeed(undefined))
  }

  /** Returns the session at the target. Opens another one if the target lost it, or has more bytes than the blob. */
  private session(): Answer<Operation.Upload> {
    const { id, opened } = this
    const { registry, repository } = this.options.target
    if (opened !== undefined) return Effect.succeed(opened)
    if (id === undefined) return this.open()
    return registry.getUpload(repository, id).pipe(
      Effect.filterOrElse(
        ({ offset }) => offset <= this.blob.size,
        () => Effect.zipRight(BlobPush.cancel(registry, repository, id), this.open())
      ),
      Effect.catchIf((error) => !RegistryError.isTransient(error), () => this.open())
    )
  }

  private open(): Answer<Operation.Upload> {
    const { registry, repository } = this.options.target
    const algorithm = Digest.algorithm(this.blob.digest)
    return registry.startUpload(repository, { algorithm: algorithm === "sha256" ? undefined : algorithm })
  }

  /**
   * Sends the bytes that the target lacks, and completes the session. `ahead` is the whole blob, if it was opened ahead.
   */
  private send(session: Operation.Upload, ahead?: Body.Body): Answer<void> {
    if (ahead !== undefined && session.offset === 0) return this.complete(session, ahead)
    return Effect.gen(this, function*() {
      const { size } = this.blob
      const { chunkSize = Infinity } = this.options
      let current = session
      while (size - current.offset > chunkSize) current = yield* this.append(current, chunkSize)
      const { offset } = current
      const body = offset < size || size === 0 ? yield* this.read(offset, size - offset) : undefined
      yield* this.complete(current, body)
    }).pipe(Effect.scoped)
  }

  private complete({ id, offset }: Operation.Upload, body: Body.Body | undefined): Answer<void> {
    const { registry, repository } = this.options.target
    return Effect.asVoid(registry.completeUpload(repository, id, this.blob.digest, { offset, body }))
  }

  /** Sends one chunk. Fails if the target does not advance: the same chunk would be sent again for ever. */
  private append({ id, minChunkSize = 0, offset }: Operation.Upload, chunkSize: number): Answer<Operation.Upload> {
    return Effect.gen(this, function*() {
      const { registry, repository } = this.options.target
      const { digest, size } = this.blob
      const body = yield* this.read(offset, Math.min(Math.max(chunkSize, minChunkSize), size - offset))
      const session = yield* registry.appendUpload(repository, id, body, { offset })
      this.id = session.id
      if (session.offset > offset) return session
      return yield* new RegistryError.ResponseInvalid({
        operation: "AppendUpload",
        repository,
        reason: `the target accepted a chunk of ${digest}, but its upload session is still at byte ${session.offset}`
      })
    }).pipe(Effect.scoped)
  }

  /** Sends the whole blob in another session: the bytes that an earlier attempt sent may be wrong. */
  private restart({ offset }: Operation.Upload, error: RegistryError.DigestInvalid): Answer<void> {
    this.id = undefined
    if (offset === 0) return Effect.fail(error)
    return Effect.flatMap(this.open(), (session) => {
      this.id = session.id
      return this.send(session)
    })
  }

  /** Reads the bytes of the blob from an offset, and reports their progress. */
  private read(offset: number, length: number): Answer<Body.Body, Scope.Scope> {
    const { progress, source } = this.options
    const { digest, size } = this.blob
    const range = length === size ? undefined : ByteRange.slice(offset, length)
    return Effect.map(source.registry.getBlob(source.repository, digest, { range }), ({ body }) => {
      if (progress === undefined) return body
      let transferred = offset
      return Body.inspect(body, () => ({
        keepsNothing: true,
        update: (chunk) => {
          transferred += chunk.byteLength
          progress.report(Event.Moved({ descriptor: this.blob, transferred }))
          return undefined
        }
      }))
    })
  }

  /** Keeps the id of a session that a later copy can resume. Cancels any other session. */
  private keepOrCancel(cause: Cause.Cause<RegistryError.RegistryError>): Effect.Effect<void> {
    const { progress, target: { registry, repository }, uploadsOf } = this.options
    if (this.id === undefined) return Effect.void
    if (progress?.uploads === undefined || isFinal(cause)) return BlobPush.cancel(registry, repository, this.id)
    progress.uploads.keep(uploadsOf, repository, this.blob.digest, this.id)
    return Effect.void
  }
}
