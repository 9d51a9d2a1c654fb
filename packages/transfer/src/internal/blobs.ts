import { Body, ByteRange, Digest, RegistryError, RetryBudget } from "@effect-oci/core"
import type { Descriptor, Operation, RepositoryName } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Source } from "../Graph.js"
import { Event } from "../Progress.js"
import type { Tracker } from "../Progress.js"

/** Options for moving blobs. */
export interface Manner {
  readonly source: Source
  readonly target: Source
  /** The target's registry as the caller passed it, without wrappers: the key of interrupted uploads in the tracker. */
  readonly uploadsOf: object
  /** The repositories of the target's registry that a blob may be mounted from. */
  readonly candidates: (blob: Descriptor.Descriptor) => ReadonlyArray<RepositoryName.RepositoryName>
  readonly retries: number
  readonly chunkSize: number | undefined
  readonly progress: Tracker | undefined
}

/** The result of mounting a blob: the repository it was mounted from, or the upload that was opened instead, or neither. */
interface Mount {
  readonly from?: RepositoryName.RepositoryName
  readonly upload?: Operation.Upload
}

/** The result of copying a blob. */
export type Outcome = "existed" | "mounted" | "moved"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** The error for a target that accepts a chunk but does not advance: the same chunk would be sent again for ever. */
const stuck = ({ digest }: Descriptor.Descriptor, offset: number) =>
  new RegistryError.ResponseInvalid({
    reason: `a chunk of ${digest} was taken, and the upload still stands at byte ${offset}`
  })

/** How long to wait for the cancellation of an upload that is not resumed. */
const patience = "5 seconds"

/** The maximum number of mounts to try for a blob. Each costs a request, and opens an upload if it fails. */
const mostMounts = 3

/** Returns whether an upload may be resumed or started again: the registry was away, or its offset differs from ours. */
const mayGoOn = (error: RegistryError.RegistryError): boolean =>
  RegistryError.isTransient(error) || error._tag === "BlobUploadUnknown" || error._tag === "RangeInvalid" ||
  (error._tag === "BodyFailed" && RegistryError.isRegistryError(error.cause) && mayGoOn(error.cause))

/** Returns whether a failed upload cannot be resumed by a later copy. */
const isFinal = (cause: Cause.Cause<RegistryError.RegistryError>): boolean =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => !Cause.isInterrupted(cause),
    onSome: (error) => !mayGoOn(error)
  })

/**
 * Ensures that the target has a blob: mounts it, finds it, or streams it. An upload that breaks is resumed at the target's
 * offset.
 */
export const mover = (manner: Manner) => {
  const { progress, source, target } = manner
  const { registry, repository } = target

  const cancel = (id: string) =>
    registry.cancelUpload(repository, id).pipe(
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.ignore
    )

  /** Mounts a blob. Returns the repository it was mounted from, or the upload that was opened instead, if there is one. */
  const mount = (
    blob: Descriptor.Descriptor,
    [from, ...others] = manner.candidates(blob).slice(0, mostMounts)
  ): Answer<Mount> => {
    if (from === undefined) return Effect.succeed<Mount>({})
    return registry.mountBlob(repository, blob.digest, { from }).pipe(
      Effect.map((answer): Mount => answer._tag === "Mounted" ? { from } : { upload: answer.upload }),
      // If the mount is refused, for example because the caller may not read its source, an upload can still succeed.
      Effect.catchIf((error) => !RegistryError.isTransient(error), () => Effect.succeed<Mount>({})),
      Effect.flatMap((mounted) => {
        if (mounted.from !== undefined || others.length === 0) return Effect.succeed(mounted)
        const upload = mounted.upload
        return Effect.zipRight(upload === undefined ? Effect.void : cancel(upload.id), mount(blob, others))
      })
    )
  }

  const isThere = (blob: Descriptor.Descriptor, where = repository): Answer<boolean> =>
    registry.resolveBlob(where, blob.digest).pipe(
      Effect.as(true),
      Effect.catchIf(RegistryError.isNotFound, () => Effect.succeed(false))
    )

  const open = (blob: Descriptor.Descriptor) => {
    const algorithm = Digest.algorithm(blob.digest)
    return registry.startUpload(repository, { algorithm: algorithm === "sha256" ? undefined : algorithm })
  }

  /** Reads the bytes of a blob from an offset, and reports their progress. */
  const bytesFrom = (blob: Descriptor.Descriptor, offset: number, length: number) => {
    const whole = offset === 0 && length === blob.size
    const range = whole ? undefined : ByteRange.slice(offset, length)
    return Effect.map(source.registry.getBlob(source.repository, blob.digest, { range }), ({ body }) => {
      if (progress === undefined) return body
      let transferred = offset
      return Body.inspect(body, () =>
        Either.right({
          update: (piece) => {
            transferred += piece.byteLength
            progress.tell(Event.Moved({ descriptor: blob, transferred }))
            return undefined
          },
          end: () => undefined
        }))
    })
  }

  /** Sends the bytes that the target lacks, and completes the upload. */
  const send = (blob: Descriptor.Descriptor, upload: Operation.Upload, note: (upload: Operation.Upload) => void) => {
    const { chunkSize } = manner
    const append = (upload: Operation.Upload): Answer<Operation.Upload> => {
      const rest = blob.size - upload.offset
      if (chunkSize === undefined || rest <= chunkSize) return Effect.succeed(upload)
      const size = Math.max(chunkSize, upload.minChunkSize ?? 0)
      return bytesFrom(blob, upload.offset, Math.min(size, rest)).pipe(
        Effect.flatMap((body) => registry.appendUpload(repository, upload.id, body, { offset: upload.offset })),
        Effect.scoped,
        Effect.tap((upload) => Effect.sync(() => note(upload))),
        Effect.filterOrFail(({ offset }) => offset > upload.offset, ({ offset }) => stuck(blob, offset)),
        Effect.flatMap(append)
      )
    }
    return Effect.flatMap(append(upload), ({ id, offset }) => {
      const body = offset < blob.size || blob.size === 0
        ? bytesFrom(blob, offset, blob.size - offset)
        : Effect.as(Effect.void, undefined)
      return Effect.scoped(
        Effect.flatMap(body, (body) => registry.completeUpload(repository, id, blob.digest, { offset, body }))
      )
    })
  }

  /** Moves a blob with one upload, or with several if the target has lost an upload. */
  const move = (blob: Descriptor.Descriptor, opened: Operation.Upload | undefined): Answer<void> =>
    Effect.suspend(() => {
      let id = opened?.id ?? progress?.uploads?.take(manner.uploadsOf, repository, blob.digest)
      let fresh = opened
      let isSending = false
      const note = (upload: Operation.Upload) => {
        id = upload.id
      }
      const forget = Effect.sync(() => {
        id = undefined
        fresh = undefined
      })
      /** Returns the upload at the target. Opens another one if the target has lost it, or has more bytes than the blob. */
      const upload = Effect.suspend((): Answer<Operation.Upload> => {
        if (fresh !== undefined) return Effect.succeed(fresh)
        if (id === undefined) return open(blob)
        const kept = id
        return Effect.catchIf(
          Effect.filterOrElse(
            registry.getUpload(repository, kept),
            ({ offset }) => offset <= blob.size,
            () => Effect.zipRight(cancel(kept), open(blob))
          ),
          (error) => !RegistryError.isTransient(error),
          () => open(blob)
        )
      })
      const attempt = Effect.suspend(() => {
        isSending = false
        return upload
      }).pipe(
        Effect.tap((upload) =>
          Effect.sync(() => {
            isSending = true
            note(upload)
            fresh = undefined
            progress?.tell(Event.Started({ descriptor: blob, transferred: upload.offset }))
          })
        ),
        Effect.flatMap((upload) =>
          Effect.catchTag(
            send(blob, upload, note),
            "DigestInvalid",
            // The bytes that an earlier attempt sent may be wrong: the whole blob is sent again.
            (error) => Effect.zipRight(forget, upload.offset > 0 ? again(blob, note) : Effect.fail(error))
          )
        )
      )
      return attempt.pipe(
        // The token may have expired since the upload was opened: the next attempt requests another token.
        retried(manner.retries, (error) => mayGoOn(error) || (isSending && error._tag === "Unauthorized")),
        Effect.onError((cause) =>
          Effect.suspend(() => {
            if (id === undefined) return Effect.void
            const kept = id
            const uploads = progress?.uploads
            return uploads === undefined || isFinal(cause)
              ? cancel(kept)
              : Effect.sync(() => uploads.keep(manner.uploadsOf, repository, blob.digest, kept))
          })
        ),
        Effect.asVoid
      )
    })

  const again = (blob: Descriptor.Descriptor, note: (upload: Operation.Upload) => void) =>
    Effect.flatMap(open(blob), (upload) => {
      note(upload)
      return send(blob, upload, note)
    })

  const see = (blob: Descriptor.Descriptor): Answer<Outcome> =>
    Effect.gen(function*() {
      const mounted = yield* mount(blob)
      if (mounted.from !== undefined) {
        progress?.tell(Event.Mounted({ descriptor: blob, from: mounted.from }))
        return "mounted"
      }
      if (mounted.upload === undefined && (yield* isThere(blob))) {
        progress?.tell(Event.Existed({ descriptor: blob }))
        return "existed"
      }
      yield* move(blob, mounted.upload)
      progress?.tell(Event.Done({ descriptor: blob }))
      return "moved"
    })

  /** Predicts the result for a blob without writing. */
  const foresee = (blob: Descriptor.Descriptor): Answer<Outcome> =>
    Effect.findFirst(
      manner.candidates(blob).slice(0, mostMounts),
      (from) =>
        Effect.catchIf(isThere(blob, from), (error) => !RegistryError.isTransient(error), () => Effect.succeed(false))
    ).pipe(
      Effect.flatMap((from): Answer<Outcome> =>
        Option.isSome(from)
          ? Effect.succeed("mounted")
          : Effect.map(isThere(blob), (there) => there ? "existed" : "moved")
      )
    )

  return {
    foresee,
    see: (blob: Descriptor.Descriptor): Answer<Outcome> =>
      Effect.tapError(
        see(blob),
        (error) => Effect.sync(() => progress?.tell(Event.Failed({ descriptor: blob, error })))
      )
  }
}

const firstDelay = Duration.millis(200)

/** Tries again while an error allows it, within the budget of retries of the caller, if there is one. */
const retried =
  (retries: number, allowed: (error: RegistryError.RegistryError) => boolean) => <A>(effect: Answer<A>): Answer<A> =>
    Effect.flatMap(RetryBudget.RetryBudget, (outer) => {
      const budget = outer ?? RetryBudget.make(retries)
      return effect.pipe(
        Effect.provideService(RetryBudget.RetryBudget, budget),
        Effect.retry({
          while: (error) => allowed(error) && budget.take(),
          schedule: Schedule.jittered(Schedule.exponential(firstDelay)),
          times: retries
        })
      )
    })
