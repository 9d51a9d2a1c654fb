import * as Body from "@effect-oci/core/Body"
import * as Caller from "@effect-oci/core/Caller"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import { octetStream } from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as BlobStore from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import * as failure from "./failure.js"
import { counter, observe } from "./observe.js"
import type { RunningHashes } from "./runningHashes.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type InUpload = Extract<Operation.Operation, { readonly id: string }>

/**
 * Manages upload sessions, from their start until they become blobs. Bytes are durable before the metadata counts them.
 * A blob is visible only after its digest is verified.
 */
export const make = (
  { blobs, metadata }: Stores,
  { uploadLimits, uploadTimeToLive }: Settings,
  hashes: RunningHashes,
  sweeper: Sweeper
) => {
  const expiry = Effect.map(Clock.currentTimeMillis, (now) => now + Duration.toMillis(uploadTimeToLive))

  const start = (
    operation: Operation.PushBlob | Operation.MountBlob | Operation.StartUpload,
    algorithm: Digest.Algorithm
  ): Answer<MetadataStore.Upload> =>
    Effect.gen(function*() {
      const identity = yield* Caller.Caller
      const inOneRequest = operation._tag === "PushBlob"
      const id = crypto.randomUUID()
      const token = yield* blobs.openUpload(id)
      const upload: MetadataStore.Upload = {
        id,
        repository: operation.repository,
        owner: identity.name,
        caller: inOneRequest ? undefined : Caller.key(identity),
        begun: inOneRequest,
        key: BlobStore.BlobKey(crypto.randomUUID()),
        token,
        offset: 0,
        algorithm,
        expiresAt: yield* expiry
      }
      const create = metadata.createUpload(upload, uploadLimits)
      const evicted = yield* create.pipe(
        Effect.catchTag("TooManyUploads", () => Effect.zipRight(sweeper.expire, create)),
        Effect.onError(() => Effect.ignore(blobs.abort(token)))
      )
      yield* Effect.forEach(evicted, sweeper.free, { discard: true })
      return upload
    }).pipe(Effect.mapError(failure.of(operation)))

  /**
   * Finds the session of an operation. The repository and the caller must match, and the session must not be expired.
   */
  const find = (operation: InUpload): Answer<MetadataStore.Upload> =>
    Effect.gen(function*() {
      const { name: owner } = yield* Caller.Caller
      const upload = yield* metadata.getUpload(operation.id)
      const now = yield* Clock.currentTimeMillis
      return upload.repository === operation.repository && upload.owner === owner && upload.expiresAt > now
        ? upload
        : yield* Effect.fail(new MetadataStore.UploadUnknown())
    }).pipe(Effect.mapError(failure.of(operation)))

  const advance = (upload: MetadataStore.Upload, { offset, token }: BlobStore.Appended) =>
    Effect.flatMap(expiry, (expiresAt) =>
      Effect.as(
        metadata.advanceUpload({ id: upload.id, from: upload.offset, to: offset, token, expiresAt }),
        { ...upload, offset, token, expiresAt, begun: true }
      ))

  /** Marks a session as begun, so that the session is not ended for a new session while its first chunk flows. */
  const begin = (upload: MetadataStore.Upload) =>
    upload.begun ? Effect.succeed(upload) : advance(upload, { offset: upload.offset, token: upload.token })

  /**
   * Updates the offset. The blob store may be ahead after a chunk that broke off, or after a crash before it was
   * counted.
   */
  const catchUp = (upload: MetadataStore.Upload, offset: number) =>
    offset > upload.offset ? Effect.ignore(advance(upload, { offset, token: upload.token })) : Effect.void

  /** Appends a body to an upload session. Fails if a size is declared and the body has another size. */
  const append = (
    operation: Operation.Operation,
    found: MetadataStore.Upload,
    body: Body.Body,
    expected: { readonly size: number | undefined; readonly algorithm: Digest.Algorithm }
  ): Answer<MetadataStore.Upload> =>
    sweeper.whileReceiving(
      found,
      Effect.gen(function*() {
        const upload = yield* begin(found)
        const running = hashes.take(upload.id, upload.offset, expected.algorithm)
        const observed = yield* observe(body, counter(expected.size, running?.hasher))
        const appended = yield* Effect.tapError(
          blobs.append(upload.token, upload.offset, observed),
          (error) => "offset" in error ? catchUp(upload, error.offset) : Effect.void
        )
        const advanced = yield* advance(upload, appended)
        if (running !== undefined) hashes.keep(upload.id, running, advanced.offset, yield* Clock.currentTimeMillis)
        return advanced
      })
    ).pipe(Effect.mapError(failure.of(operation)))

  const end = ({ id }: MetadataStore.Upload) =>
    Effect.suspend(() => {
      hashes.drop(id)
      return Effect.flatMap(metadata.endUpload(id), sweeper.free)
    })

  /** Ends an upload session that failed. If that fails too, the session expires later. */
  const discard = (upload: MetadataStore.Upload): Effect.Effect<void> => Effect.ignore(end(upload))

  const cancel = (operation: Operation.CancelUpload): Answer<void> =>
    Effect.flatMap(find(operation), (upload) => Effect.mapError(end(upload), failure.of(operation)))

  const digestOfStored = (key: BlobStore.BlobKey, algorithm: Digest.Algorithm) =>
    Effect.scoped(Effect.flatMap(blobs.read(key), (body) => {
      const hasher = Digest.hasher(algorithm)
      return Effect.map(Body.forEachChunk(body, hasher.update), hasher.digest)
    }))

  /** Makes an upload session a blob if its content has the digest. Otherwise ends the session. */
  const finish = (
    operation: Operation.PushBlob | Operation.CompleteUpload,
    upload: MetadataStore.Upload,
    digest: Digest.Digest,
    algorithm: Digest.Algorithm
  ): Answer<Descriptor> =>
    Effect.gen(function*() {
      const { id, key, offset: size, token } = upload
      const check = (actual: Digest.Digest) =>
        actual === digest ? Effect.void : Effect.zipRight(
          discard(upload),
          Effect.fail(RegistryError.digestMismatch(digest, actual))
        )
      const running = hashes.take(id, size, algorithm)
      if (running !== undefined) yield* check(running.hasher.digest())
      yield* blobs.commit(token, key, size)
      if (running === undefined) yield* Effect.flatMap(digestOfStored(key, algorithm), check)
      const duplicate = yield* metadata.linkUploaded({ id, digest, size })
      if (duplicate !== undefined) yield* sweeper.free(duplicate)
      return { mediaType: octetStream, digest, size }
    }).pipe(Effect.mapError(failure.of(operation)))

  return { start, find, append, finish, discard, cancel }
}

export type Uploads = ReturnType<typeof make>
