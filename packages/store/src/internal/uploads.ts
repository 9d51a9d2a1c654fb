import * as Body from "@effect-oci/core/Body"
import * as Caller from "@effect-oci/core/Caller"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import { octetStream } from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"
import * as StoreError from "../StoreError.js"
import * as failure from "./failure.js"
import * as keys from "./keys.js"
import type * as pushBlob from "./pushBlob.js"
import type { RunningHashes } from "./runningHashes.js"
import type { Settings, Stores } from "./stores.js"
import type { Sweeper } from "./sweeper.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type InUpload = Extract<Operation.Operation, { readonly id: string }>

/** A hash of the bytes of a session, and how many bytes of a chunk it has seen. */
interface ChunkHash {
  readonly hasher: Digest.Hasher
  size: number
}

/** Returns a body that is hashed while it flows. Run it once. */
const hashed = (body: Body.Body, hash: ChunkHash): Body.Body =>
  Body.transform(body, (sink) => ({
    data: (chunk) => {
      hash.hasher.update(chunk)
      hash.size += chunk.byteLength
      return sink.data(chunk)
    }
  }))

/** Returns whether an error says that content has another digest than its client expected. */
const isWrong = (error: pushBlob.PushFailure): boolean =>
  error._tag === "OciStoreDigestWrong" ||
  (error._tag === "OciStoreBodyBroken" && error.cause instanceof RegistryError.DigestInvalid)

/** A session may evict another one when it opens. So many sessions open between two deletes of the garbage. */
const opensPerRelease = 100

/**
 * Manages upload sessions, from their start until they become blobs. Bytes are durable before the metadata counts them.
 * A blob is visible only after its digest is verified.
 */
export class Uploads {
  private readonly blobs: BlobStore.Service
  private readonly metadata: MetadataStore.Service
  private opened = 0

  constructor(
    stores: Stores,
    private readonly settings: Settings,
    private readonly hashes: RunningHashes,
    private readonly sweeper: Sweeper,
    private readonly push: pushBlob.PushBlob
  ) {
    this.blobs = stores.blobs
    this.metadata = stores.metadata
  }

  /**
   * Begins a session. Its id is the key of its bytes, so that a blob says which session it came from. The bytes of a
   * session without chunks have another key.
   */
  start(
    operation: Operation.MountBlob | Operation.StartUpload,
    algorithm: Digest.Algorithm
  ): Answer<MetadataStore.NewUpload> {
    return Effect.gen(this, function*() {
      const caller = yield* Caller.Caller
      const key = yield* keys.make
      const id: string = key
      const upload: MetadataStore.NewUpload = {
        id,
        repository: operation.repository,
        owner: caller.name,
        caller: Caller.key(caller),
        key,
        algorithm
      }
      const create = this.metadata.createUpload(upload, this.settings.uploadTimeToLive, this.settings.uploadLimits)
      yield* Effect.catchTag(create, "OciStoreTooManyUploads", () => Effect.zipRight(this.sweeper.expire, create))
      this.opened = (this.opened + 1) % opensPerRelease
      if (this.opened === 0) yield* this.sweeper.release
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
      return upload.repository === operation.repository && upload.owner === owner
        ? upload
        : yield* Effect.fail(new StoreError.UploadUnknown())
    }).pipe(Effect.mapError(failure.of(operation)))
  }

  /**
   * Claims the session of an operation: earlier requests can no longer change the session. Fails if the operation does
   * not continue at the offset of the session.
   */
  claim(operation: Operation.AppendUpload | Operation.CompleteUpload): Answer<MetadataStore.Upload> {
    const continued = ({ offset }: MetadataStore.Upload) =>
      operation.offset === undefined || operation.offset === offset
        ? Effect.void
        : Effect.fail(failure.of(operation)(new StoreError.OffsetMismatch({ offset })))
    return Effect.tap(this.find(operation), continued).pipe(
      Effect.zipRight(
        Effect.mapError(
          this.metadata.claimUpload(operation.id, this.settings.uploadTimeToLive),
          failure.of(operation)
        )
      ),
      Effect.tap(continued)
    )
  }

  /** Appends a body to a claimed session. Fails if a size is declared and the body has another size. */
  append(
    operation: Operation.AppendUpload | Operation.CompleteUpload,
    upload: MetadataStore.Upload,
    body: Body.Body,
    algorithm: Digest.Algorithm
  ): Answer<MetadataStore.Upload> {
    const { fence, offset } = upload
    // A body with this digest fails if its content has another one, so its content need not be hashed here.
    const verified = offset === 0 && operation._tag === "CompleteUpload" && body.digest === operation.digest
      ? body.digest
      : undefined
    return Effect.flatMap(Effect.zipRight(Digest.load(algorithm), this.tokenOf(upload)), (token) => {
      const hasher = verified === undefined ? this.hashes.copy(upload, algorithm) : undefined
      const hash = hasher === undefined ? undefined : { hasher, size: 0 }
      const sized = body.size === undefined ? body : Body.exactly(body, body.size)
      return this.blobs.append({
        token,
        fence,
        offset,
        body: hash === undefined ? sized : hashed(sized, hash)
      }).pipe(
        Effect.flatMap((appended) => this.advance(upload, appended, hash, verified)),
        Effect.tapErrorTag(
          "OciStoreBodyBroken",
          ({ appended }) =>
            appended === undefined || (appended.offset === offset && upload.token !== undefined)
              ? Effect.void
              : Effect.ignore(this.advance(upload, appended, hash))
        ),
        this.endIfLost(upload)
      )
    }).pipe(
      (received) => this.sweeper.whileReceiving(upload, received),
      Effect.mapError(failure.of(operation))
    )
  }

  /** Makes a claimed session a blob if its content has the digest. Otherwise ends the session. */
  finish(
    operation: Operation.CompleteUpload,
    upload: MetadataStore.Upload,
    digest: Digest.Digest,
    algorithm: Digest.Algorithm
  ): Answer<Descriptor> {
    const { fence, id, key, offset: size, repository } = upload
    const check = (actual: Digest.Digest) =>
      actual === digest ? Effect.void : Effect.zipRight(
        this.discard(upload),
        Effect.fail(RegistryError.digestMismatch(digest, actual))
      )
    const known = upload.digest !== undefined && Digest.algorithm(upload.digest) === algorithm
      ? upload.digest
      : undefined
    const finished = Effect.gen(this, function*() {
      if (known !== undefined) yield* check(known)
      const token = yield* this.tokenOf(upload)
      yield* this.endIfLost(upload)(this.blobs.commit({ token, size }))
      if (known === undefined) yield* Effect.flatMap(this.digestOfStored(key, algorithm), check)
      const keep = this.settings.policy.grace
      const stored = yield* this.metadata.linkBlob({ repository, digest, size, key, keep, upload: { id, fence } })
      this.hashes.drop(id)
      if (stored.key !== key) yield* this.sweeper.release
      return { mediaType: octetStream, digest, size }
    })
    return Effect.mapError(this.sweeper.whileReceiving(upload, finished), failure.of(operation))
  }

  /**
   * Makes a claimed session that has no bytes yet a blob, by one call of the blob store. A session whose content has
   * another digest ends. After a body that broke, it is as before.
   */
  finishWhole(
    operation: Operation.CompleteUpload,
    upload: MetadataStore.Upload,
    blob: Pick<pushBlob.Push, "digest" | "size" | "body">
  ): Answer<Descriptor> {
    const { fence, id, repository } = upload
    return this.push({ ...blob, repository, upload: { id, fence } }).pipe(
      Effect.tapError((error) => isWrong(error) ? this.discard(upload) : Effect.void),
      (finished) => this.sweeper.whileReceiving(upload, finished),
      Effect.mapError(failure.of(operation))
    )
  }

  /**
   * Returns the blob that the session of an operation became, or fails. A client whose connection or whose server broke
   * does not know that its last request succeeded, and repeats it at this server or at another one.
   */
  completed(operation: Operation.CompleteUpload): Answer<Descriptor> {
    const { body = Body.empty, digest, id, repository } = operation
    return this.metadata.findBlob(repository, digest, this.settings.policy.grace).pipe(
      Effect.filterOrFail(
        (stored): stored is MetadataStore.StoredBlob => stored?.key === id,
        () => new StoreError.UploadUnknown()
      ),
      Effect.tap(() => Body.forEachChunk(body, () => {})),
      Effect.map(({ descriptor }) => descriptor),
      Effect.mapError(failure.of(operation))
    )
  }

  cancel(operation: Operation.CancelUpload): Answer<void> {
    return Effect.flatMap(this.find(operation), (upload) => Effect.mapError(this.end(upload), failure.of(operation)))
  }

  /** Returns the token of a claimed session. Opens its upload in the blob store for its first bytes. */
  private tokenOf({ id, key, token }: MetadataStore.Upload) {
    return token === undefined ? this.blobs.openUpload({ id, key }) : Effect.succeed(token)
  }

  private end({ id }: MetadataStore.Upload) {
    return Effect.suspend(() => {
      this.hashes.drop(id)
      return Effect.zipRight(this.metadata.endUpload(id), this.sweeper.release)
    })
  }

  /** Ends a session that failed, unless another request continues it. If that fails too, the session expires later. */
  private discard(upload: MetadataStore.Upload): Effect.Effect<void> {
    return this.metadata.getUpload(upload.id).pipe(
      Effect.flatMap(({ fence }) => fence === upload.fence ? this.end(upload) : Effect.void),
      Effect.ignore
    )
  }

  /** Ends a session whose bytes the blob store has lost: its client must start again. */
  private endIfLost(upload: MetadataStore.Upload) {
    return <A, E extends { readonly _tag: string }>(
      effect: Effect.Effect<A, E>
    ): Effect.Effect<A, E | StoreError.UploadUnknown> =>
      Effect.catchIf(
        effect,
        ({ _tag }) => _tag === "OciStoreUploadUnknown" || _tag === "OciStoreOffsetMismatch",
        () => Effect.zipRight(this.discard(upload), Effect.fail(new StoreError.UploadUnknown()))
      )
  }

  /** Counts bytes that are durable. Their digest is known if it was `verified`, or if exactly these bytes were hashed. */
  private advance(
    upload: MetadataStore.Upload,
    { offset, token }: BlobStore.Appended,
    hash: ChunkHash | undefined,
    verified?: Digest.Digest
  ) {
    return Effect.gen(this, function*() {
      const { fence, id } = upload
      const current = hash !== undefined && upload.offset + hash.size === offset ? hash : undefined
      const digest = verified ?? current?.hasher.copy().digest()
      yield* this.metadata.advanceUpload({
        id,
        fence,
        from: upload.offset,
        to: offset,
        token,
        digest,
        lives: this.settings.uploadTimeToLive
      })
      if (current === undefined || digest === undefined) this.hashes.drop(id)
      else this.hashes.keep(id, { hasher: current.hasher, digest }, yield* Clock.currentTimeMillis)
      return { ...upload, offset, token, digest }
    })
  }

  private digestOfStored(key: BlobStore.BlobKey, algorithm: Digest.Algorithm) {
    return Effect.scoped(Effect.flatMap(this.blobs.read(key), (body) => {
      const hasher = Digest.hasher(algorithm)
      return Effect.map(Body.forEachChunk(body, hasher.update), hasher.digest)
    }))
  }
}
