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
import type { RunningHashes } from "./runningHashes.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type InUpload = Extract<Operation.Operation, { readonly id: string }>

/** Returns a body that is hashed while it flows. Run it once. */
const hashed = (body: Body.Body, hasher: Digest.Hasher): Body.Body =>
  Body.transform(body, (sink) => ({
    data: (chunk) => {
      hasher.update(chunk)
      return sink.data(chunk)
    }
  }))

/**
 * Manages upload sessions, from their start until they become blobs. Bytes are durable before the metadata counts them.
 * A blob is visible only after its digest is verified.
 */
export class Uploads {
  private readonly blobs: BlobStore.Service
  private readonly metadata: MetadataStore.Service
  private readonly expiry: Effect.Effect<number>

  constructor(
    stores: Stores,
    private readonly settings: Settings,
    private readonly hashes: RunningHashes,
    private readonly sweeper: Sweeper
  ) {
    this.blobs = stores.blobs
    this.metadata = stores.metadata
    this.expiry = Effect.map(Clock.currentTimeMillis, (now) => now + Duration.toMillis(settings.uploadTimeToLive))
  }

  start(
    operation: Operation.PushBlob | Operation.MountBlob | Operation.StartUpload,
    algorithm: Digest.Algorithm
  ): Answer<MetadataStore.Upload> {
    return Effect.gen(this, function*() {
      const caller = yield* Caller.Caller
      const inOneRequest = operation._tag === "PushBlob"
      const id = crypto.randomUUID()
      const token = yield* this.blobs.openUpload(id)
      const upload: MetadataStore.Upload = {
        id,
        repository: operation.repository,
        owner: caller.name,
        caller: inOneRequest ? undefined : Caller.key(caller),
        begun: inOneRequest,
        key: BlobStore.BlobKey(crypto.randomUUID()),
        token,
        offset: 0,
        algorithm,
        expiresAt: yield* this.expiry
      }
      const create = this.metadata.createUpload(upload, this.settings.uploadLimits)
      const garbage = yield* create.pipe(
        Effect.catchTag("TooManyUploads", () => Effect.zipRight(this.sweeper.expire, create)),
        Effect.onError(() => Effect.ignore(this.blobs.abort(token)))
      )
      yield* Effect.forEach(garbage, this.sweeper.deleteBytes, { discard: true })
      return upload
    }).pipe(Effect.mapError(failure.of(operation)))
  }

  /**
   * Finds the session of an operation. The repository and the caller must match, and the session must not be expired.
   */
  find(operation: InUpload): Answer<MetadataStore.Upload> {
    return Effect.gen(this, function*() {
      const { name: owner } = yield* Caller.Caller
      const upload = yield* this.metadata.getUpload(operation.id)
      const now = yield* Clock.currentTimeMillis
      return upload.repository === operation.repository && upload.owner === owner && upload.expiresAt > now
        ? upload
        : yield* Effect.fail(new MetadataStore.UploadUnknown())
    }).pipe(Effect.mapError(failure.of(operation)))
  }

  /** Appends a body to an upload session. Fails if a size is declared and the body has another size. */
  append(
    operation: Operation.Operation,
    found: MetadataStore.Upload,
    body: Body.Body,
    expected: { readonly size: number | undefined; readonly algorithm: Digest.Algorithm }
  ): Answer<MetadataStore.Upload> {
    return this.sweeper.whileReceiving(
      found,
      Effect.gen(this, function*() {
        const upload = yield* this.begin(found)
        const running = this.hashes.take(upload.id, upload.offset, expected.algorithm)
        const sized = expected.size === undefined ? body : Body.exactly(body, expected.size)
        const appended = yield* Effect.tapError(
          this.blobs.append(upload.token, upload.offset, running === undefined ? sized : hashed(sized, running.hasher)),
          (error) => "offset" in error ? this.catchUp(upload, error.offset) : Effect.void
        )
        const advanced = yield* this.advance(upload, appended)
        if (running !== undefined) this.hashes.keep(upload.id, running, advanced.offset, yield* Clock.currentTimeMillis)
        return advanced
      })
    ).pipe(Effect.mapError(failure.of(operation)))
  }

  /** Makes an upload session a blob if its content has the digest. Otherwise ends the session. */
  finish(
    operation: Operation.PushBlob | Operation.CompleteUpload,
    upload: MetadataStore.Upload,
    digest: Digest.Digest,
    algorithm: Digest.Algorithm
  ): Answer<Descriptor> {
    return Effect.gen(this, function*() {
      const { id, key, offset: size, token } = upload
      const check = (actual: Digest.Digest) =>
        actual === digest ? Effect.void : Effect.zipRight(
          this.discard(upload),
          Effect.fail(RegistryError.digestMismatch(digest, actual))
        )
      const running = this.hashes.take(id, size, algorithm)
      if (running !== undefined) yield* check(running.hasher.digest())
      yield* this.blobs.commit(token, key, size)
      if (running === undefined) yield* Effect.flatMap(this.digestOfStored(key, algorithm), check)
      const garbage = yield* this.metadata.linkUploaded({ id, digest, size })
      if (garbage !== undefined) yield* this.sweeper.deleteBytes(garbage)
      return { mediaType: octetStream, digest, size }
    }).pipe(Effect.mapError(failure.of(operation)))
  }

  /** Ends an upload session that failed. If that fails too, the session expires later. */
  discard(upload: MetadataStore.Upload): Effect.Effect<void> {
    return Effect.ignore(this.end(upload))
  }

  cancel(operation: Operation.CancelUpload): Answer<void> {
    return Effect.flatMap(this.find(operation), (upload) => Effect.mapError(this.end(upload), failure.of(operation)))
  }

  private end({ id }: MetadataStore.Upload) {
    return Effect.suspend(() => {
      this.hashes.drop(id)
      return Effect.flatMap(this.metadata.endUpload(id), this.sweeper.deleteBytes)
    })
  }

  private advance(upload: MetadataStore.Upload, { offset, token }: BlobStore.Appended) {
    return Effect.flatMap(this.expiry, (expiresAt) =>
      Effect.as(
        this.metadata.advanceUpload({ id: upload.id, from: upload.offset, to: offset, token, expiresAt }),
        { ...upload, offset, token, expiresAt, begun: true }
      ))
  }

  /** Marks a session as begun, so that the session is not ended for a new session while its first chunk flows. */
  private begin(upload: MetadataStore.Upload) {
    return upload.begun ? Effect.succeed(upload) : this.advance(upload, upload)
  }

  /**
   * Updates the offset. The blob store may be ahead after a chunk that broke off, or after a crash before it was
   * counted.
   */
  private catchUp(upload: MetadataStore.Upload, offset: number) {
    return offset > upload.offset ? Effect.ignore(this.advance(upload, { offset, token: upload.token })) : Effect.void
  }

  private digestOfStored(key: BlobStore.BlobKey, algorithm: Digest.Algorithm) {
    return Effect.scoped(Effect.flatMap(this.blobs.read(key), (body) => {
      const hasher = Digest.hasher(algorithm)
      return Effect.map(Body.forEachChunk(body, hasher.update), hasher.digest)
    }))
  }
}
