import { Body, Descriptor, Digest, Handler, Manifest, MediaType, Operation, RegistryError } from "@effect-oci/core"
import type { BlobContent, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Received, RepositoryChanges } from "./changes.js"
import { contentOf, fail } from "./content.js"
import type { Known, Result } from "./content.js"
import { requiredBlobs } from "./links.js"
import * as lists from "./lists.js"

/**
 * A registry that keeps in memory what is written to it, and otherwise answers as the next registry does. The next
 * registry receives no writes.
 */
export class Overlay {
  readonly #repositories = new Map<RepositoryName.RepositoryName, RepositoryChanges>()
  readonly #uploads = new Map<string, Received>()
  #opened = 0
  readonly handler: Handler.Handler

  constructor(private readonly next: Handler.Handler, private readonly known: Known) {
    this.handler = Handler.wrap(next, {
      ResolveBlob: (operation) => this.#resolveBlob(operation),
      GetBlob: (operation) => this.#getBlob(operation),
      ResolveManifest: (operation) =>
        this.#found(operation, (found) => found === undefined ? next(operation) : Effect.succeed(found.descriptor)),
      GetManifest: (operation) =>
        this.#found(operation, (found) => found === undefined ? next(operation) : Effect.succeed(found)),
      PushBlob: (operation) => this.#pushBlob(operation),
      MountBlob: (operation) => this.#mountBlob(operation),
      StartUpload: (operation) => this.#start(operation),
      GetUpload: (operation) =>
        Effect.map(this.#session(operation), ({ size }) => ({ id: operation.id, offset: size })),
      AppendUpload: (operation) =>
        Effect.flatMap(
          this.#session(operation),
          (session) => Effect.map(session.receive(operation.body), () => ({ id: operation.id, offset: session.size }))
        ),
      CompleteUpload: (operation) => this.#complete(operation),
      CancelUpload: (operation) =>
        Effect.map(this.#session(operation), () => {
          this.#uploads.delete(operation.id)
          return Operation.done
        }),
      PushManifest: (operation) => this.#pushManifest(operation),
      DeleteBlob: (operation) =>
        Effect.map(this.handler(new Operation.ResolveBlob(operation)), () => {
          this.#of(operation.repository).blobs.set(operation.digest, undefined)
          return Operation.done
        }),
      DeleteManifest: (operation) => this.#deleteManifest(operation),
      DeleteTag: (operation) => {
        const { repository, tag: reference } = operation
        return Effect.map(this.handler(new Operation.ResolveManifest({ repository, reference })), () => {
          this.#of(repository).tags.set(reference, undefined)
          return Operation.done
        })
      },
      ListRepositories: (operation) => lists.repositories(next, this.#repositories, operation),
      ListTags: (operation) => lists.tags(next, this.#repositories.get(operation.repository), operation),
      ListReferrers: (operation) => lists.referrers(next, this.#repositories.get(operation.repository), operation)
    })
  }

  /** Returns whether the answer to a read may depend on what was written. */
  covers(operation: Operation.Operation): boolean {
    if (!Operation.isRead(operation)) return true
    if (!("repository" in operation)) return this.#repositories.size > 0
    const changes = this.#repositories.get(operation.repository)
    if (changes === undefined || Operation.shape(operation) === "list") return changes !== undefined
    if (!("reference" in operation)) {
      return "digest" in operation && operation.digest !== undefined && changes.blobs.has(operation.digest)
    }
    return Operation.isDigest(operation.reference)
      ? changes.manifests.has(operation.reference)
      : changes.tags.has(operation.reference) || Array.from(changes.manifests.values()).includes(undefined)
  }

  #of(name: RepositoryName.RepositoryName): RepositoryChanges {
    let changes = this.#repositories.get(name)
    if (changes === undefined) this.#repositories.set(name, changes = new RepositoryChanges())
    return changes
  }

  #resolveBlob(operation: Operation.ResolveBlob): Result<Descriptor.Descriptor> {
    const { digest, repository } = operation
    const changes = this.#repositories.get(repository)
    if (changes?.blobs.has(digest) !== true) return this.next(operation)
    const blob = changes.blobs.get(digest)
    return blob === undefined
      ? fail(RegistryError.BlobUnknown, operation)
      : Effect.succeed({ mediaType: Descriptor.octetStream, digest, size: blob.size })
  }

  #getBlob(operation: Operation.GetBlob): Result<BlobContent.BlobContent, Scope.Scope> {
    const { digest, repository } = operation
    const changes = this.#repositories.get(repository)
    if (changes?.blobs.has(digest) !== true) {
      const size = this.known.blobOf(repository, digest)
      if (size === undefined) return this.next(operation)
      const content = Effect.map(this.next(operation), ({ stream }) => stream)
      return contentOf(operation, size, () => Body.stream(Stream.unwrapScoped(content)))
    }
    const blob = changes.blobs.get(digest)
    if (blob === undefined) return fail(RegistryError.BlobUnknown, operation)
    const { bytes, from, size } = blob
    if (bytes !== undefined) {
      return contentOf(operation, size, ({ length, offset }) => Body.bytes(bytes.subarray(offset, offset + length)))
    }
    return from === undefined
      ? Effect.fail(
        new RegistryError.Refused({
          ...Operation.errorFields(operation),
          by: "Explain",
          reason: "the content of this blob is unknown: nothing was transferred when it was pushed"
        })
      )
      : this.next(new Operation.GetBlob({ ...operation, repository: from }))
  }

  /** Returns a manifest that was written. Fails if it was deleted. Returns `undefined` if the next registry knows. */
  #find(
    operation: Operation.ResolveManifest | Operation.GetManifest
  ): Result<Manifest.Manifest | undefined> {
    return Effect.gen(this, function*(): Effect.fn.Return<Manifest.Manifest | undefined, RegistryError.RegistryError> {
      const { reference, repository } = operation
      const changes = this.#repositories.get(repository)
      if (changes === undefined) return undefined
      const unknown = fail(RegistryError.ManifestUnknown, operation)
      let digest: Digest.Digest | undefined
      if (Operation.isDigest(reference)) digest = reference
      else if (changes.tags.has(reference)) {
        digest = changes.tags.get(reference)
        if (digest === undefined) return yield* unknown
      } else if (Array.from(changes.manifests.values()).includes(undefined)) {
        digest = (yield* this.next(new Operation.ResolveManifest({ repository, reference }))).digest
      }
      if (digest === undefined) return undefined
      if (changes.manifests.has(digest)) return changes.manifests.get(digest)?.manifest ?? (yield* unknown)
      return Operation.isDigest(reference)
        ? undefined
        : yield* this.next(new Operation.GetManifest({ repository, reference: digest }))
    })
  }

  /** Continues with a manifest that was written. A repository that was written to is known, even if not behind. */
  #found<A>(
    operation: Operation.ResolveManifest | Operation.GetManifest,
    then: (found: Manifest.Manifest | undefined) => Result<A>
  ): Result<A> {
    return Effect.catchIf(
      Effect.flatMap(this.#find(operation), then),
      ({ _tag }) => _tag === "OciNameUnknown" && this.#repositories.get(operation.repository)?.exists === true,
      () => fail(RegistryError.ManifestUnknown, operation)
    )
  }

  /** Returns whether a body need not be read, because a manifest names the content. */
  #isKnown(digest: Digest.Digest, body: Body.Body): boolean {
    return body.bytes === undefined && this.known.sizeOf(digest) !== undefined
  }

  #pushBlob(operation: Operation.PushBlob): Result<Descriptor.Descriptor> {
    const { body, descriptor: { digest }, repository } = operation
    return Effect.flatMap(
      this.#open(operation, Digest.algorithm(digest), repository),
      (session) => this.#finish(operation, session, digest, body)
    )
  }

  #mountBlob(operation: Operation.MountBlob): Result<Operation.Mounted | Operation.UploadStarted> {
    const { digest, from } = operation
    const source = from === undefined
      ? Effect.succeed(undefined)
      : this.handler(new Operation.ResolveBlob({ repository: from, digest })).pipe(
        Effect.catchIf((error) => !RegistryError.isTransient(error), () => Effect.succeed(undefined))
      )
    return Effect.flatMap(source, (found): Result<Operation.Mounted | Operation.UploadStarted> => {
      if (found === undefined) {
        return Effect.map(
          this.#start(Operation.uploadInstead(operation)),
          (upload) => new Operation.UploadStarted({ upload })
        )
      }
      const written = from === undefined ? undefined : this.#repositories.get(from)?.blobs.get(digest)
      this.#of(operation.repository).blobs.set(digest, written ?? { size: found.size, bytes: undefined, from })
      return Effect.succeed(new Operation.Mounted({ digest }))
    })
  }

  #open(
    operation: Operation.Operation,
    name: string,
    repository: RepositoryName.RepositoryName
  ): Result<Received> {
    const algorithm = Digest.algorithms.find((known) => known === name)
    return algorithm === undefined
      ? fail(RegistryError.DigestInvalid, operation, `digest algorithm "${name}" is not supported`)
      : Effect.map(Digest.load(algorithm), () => new Received(repository, algorithm))
  }

  #start(operation: Operation.StartUpload): Result<Operation.Upload> {
    return Effect.map(this.#open(operation, operation.algorithm ?? "sha256", operation.repository), (session) => {
      const id = `session-${this.#opened++}`
      this.#uploads.set(id, session)
      return { id, offset: 0 }
    })
  }

  #session(
    operation: Operation.UploadOperation & { readonly offset?: number | undefined }
  ): Result<Received> {
    return Effect.suspend(() => {
      const session = this.#uploads.get(operation.id)
      if (session?.repository !== operation.repository) return fail(RegistryError.BlobUploadUnknown, operation)
      return operation.offset === undefined || operation.offset === session.size
        ? Effect.succeed(session)
        : fail(RegistryError.RangeInvalid, operation, `the upload session is at byte ${session.size}`)
    })
  }

  #complete(operation: Operation.CompleteUpload): Result<Descriptor.Descriptor> {
    const { body = Body.empty, digest, id } = operation
    return Effect.flatMap(this.#session(operation), (session) =>
      this.#finish(operation, session, digest, body).pipe(
        Effect.onExit(() => Effect.sync(() => this.#uploads.delete(id)))
      ))
  }

  #finish(
    operation: Operation.PushBlob | Operation.CompleteUpload,
    session: Received,
    digest: Digest.Digest,
    body: Body.Body
  ): Result<Descriptor.Descriptor> {
    const { repository } = operation
    const stored = (size: number, bytes: Uint8Array | undefined): Descriptor.Descriptor => {
      this.#of(repository).blobs.set(digest, { size, bytes, from: undefined })
      return { mediaType: Descriptor.octetStream, digest, size }
    }
    return Effect.gen(this, function*() {
      if (session.size === 0 && this.#isKnown(digest, body)) return stored(this.known.sizeOf(digest) ?? 0, undefined)
      let whole = session
      if (Digest.algorithm(digest) !== session.algorithm) {
        whole = yield* this.#open(operation, Digest.algorithm(digest), repository)
        yield* whole.receive(Body.bytes(session.bytes ?? new Uint8Array(0)))
      }
      yield* whole.receive(body)
      return whole.digest() === digest
        ? stored(whole.size, whole.bytes)
        : yield* RegistryError.withFields(
          RegistryError.digestMismatch(digest, whole.digest()),
          Operation.errorFields(operation)
        )
    })
  }

  #pushManifest(operation: Operation.PushManifest): Result<Operation.PushedManifest> {
    return Effect.gen(this, function*() {
      const { bytes, digest, repository } = operation
      if (digest !== undefined) yield* Digest.load(digest)
      const mediaType = MediaType.essence(operation.mediaType)
      const { document, manifest } = yield* Either.mapLeft(
        Either.gen(function*() {
          yield* Operation.withOneCondition(operation)
          const document = yield* Manifest.parse({ mediaType, bytes })
          return { document, manifest: yield* Manifest.make({ mediaType, bytes: new Uint8Array(bytes), digest }) }
        }),
        (error) => RegistryError.withFields(error, Operation.errorFields(operation))
      )
      const links = Manifest.references(document)
      const earlier = this.#repositories.get(repository)?.manifests.get(manifest.descriptor.digest)
      if (earlier !== undefined && earlier.manifest.descriptor.mediaType !== mediaType) {
        return yield* fail(RegistryError.ManifestInvalid, operation, "the repository has it with another media type")
      }
      yield* this.#checkBlobs(operation, links)
      const tags = Array.from(new Set(operation.tags))
      yield* this.#checkTags(operation, tags, manifest.descriptor.digest)
      const subject = links.find(({ kind }) => kind === "subject")?.descriptor.digest
      const changes = this.#of(repository)
      changes.manifests.set(manifest.descriptor.digest, {
        manifest,
        referrer: subject && { subject, descriptor: Manifest.referrer(manifest.descriptor, document) }
      })
      for (const tag of tags) changes.tags.set(tag, manifest.descriptor.digest)
      return { ...manifest.descriptor, subject, tags }
    })
  }

  /** Fails if the repository lacks a blob of the manifest. */
  #checkBlobs(operation: Operation.PushManifest, links: ReadonlyArray<Manifest.Link>): Result<void> {
    const { repository } = operation
    const changes = this.#repositories.get(repository)
    return Effect.forEach(
      requiredBlobs(links),
      (digest) =>
        this.known.blobOf(repository, digest) !== undefined && changes?.blobs.has(digest) !== true
          ? Effect.void
          : this.handler(new Operation.ResolveBlob({ repository, digest })).pipe(
            Effect.catchIf(
              RegistryError.isNotFound,
              () =>
                fail(RegistryError.ManifestBlobUnknown, operation, `the repository does not have the blob ${digest}`)
            )
          ),
      { discard: true }
    )
  }

  /** Fails if a tag does not meet the condition of the push. */
  #checkTags(
    operation: Operation.PushManifest,
    tags: ReadonlyArray<Tag.Tag>,
    digest: Digest.Digest
  ): Result<void> {
    const { ifMatch, repository } = operation
    if (!Operation.isConditional(operation)) return Effect.void
    return Effect.forEach(
      tags,
      (reference) =>
        this.handler(new Operation.ResolveManifest({ repository, reference })).pipe(
          Effect.map((found): Digest.Digest | undefined => found.digest),
          Effect.catchIf(RegistryError.isNotFound, () => Effect.succeed(undefined)),
          Effect.filterOrFail(
            (current) => current === digest || current === ifMatch,
            () =>
              new RegistryError.Denied({
                ...Operation.errorFields(operation),
                reason: `the tag ${reference} does not meet the condition of the push`
              })
          )
        ),
      { discard: true }
    )
  }

  #deleteManifest(operation: Operation.DeleteManifest): Result<Operation.Done> {
    const { digest, repository } = operation
    return Effect.map(this.handler(new Operation.ResolveManifest({ repository, reference: digest })), () => {
      const changes = this.#of(repository)
      changes.manifests.set(digest, undefined)
      for (const [tag, pointsAt] of changes.tags) if (pointsAt === digest) changes.tags.set(tag, undefined)
      return Operation.done
    })
  }
}
