/** Changes to a registry: tags, copies, attached artifacts, uploads, deletes. */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import { BodyFailed, Denied } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as attached from "./attached.js"
import type { Connection } from "./connection.js"
import * as content from "./content.js"
import type { Loaded } from "./content.js"

type Result<A> = Effect.Effect<A, RegistryError>

/** Where something is pushed to. */
export interface Target {
  readonly repository: RepositoryName
  readonly tag: Tag
  /** Whether a tag that points to another manifest is moved. */
  readonly mayMove: boolean
}

/**
 * Fails if the tag points to another manifest than `digest`, and may not be moved. Few registries know a push on the
 * condition that the tag is absent: the others would move the tag.
 */
const ensureAbsent = (
  { registry }: Connection,
  { mayMove, repository, tag }: Target,
  digest?: Digest.Digest
): Result<void> =>
  mayMove ? Effect.void : Effect.flatMap(
    Effect.option(registry.resolveManifest(repository, tag)),
    (found) =>
      Option.isNone(found) || found.value.digest === digest
        ? Effect.void
        : Effect.fail(new Denied({ repository, reference: tag, status: 412, reason: "the tag exists" }))
  )

/** Gives a manifest one more tag. */
export const tag = (connection: Connection, target: Target, { manifest: { bytes, descriptor } }: Loaded) =>
  Effect.zipRight(
    ensureAbsent(connection, target, descriptor.digest),
    connection.registry.pushManifest(target.repository, {
      mediaType: descriptor.mediaType,
      bytes,
      tags: [target.tag]
    })
  )

/** Copies a blob within the registry: by a mount, or through this page if the registry cannot mount it. */
const copyBlob = (
  { registry }: Connection,
  from: RepositoryName,
  to: RepositoryName,
  blob: Descriptor.Descriptor
): Result<void> =>
  Effect.gen(function*() {
    const mounted = yield* registry.mountBlob(to, blob.digest, { from })
    if (mounted._tag === "Mounted") return
    yield* Effect.ignore(registry.cancelUpload(to, mounted.upload.id))
    yield* Effect.scoped(Effect.gen(function*() {
      const { stream } = yield* registry.getBlob(from, blob.digest)
      yield* registry.pushBlob(to, blob, Body.stream(stream, { size: blob.size }))
    }))
  })

/** How deep indexes may be nested. */
const maxDepth = 4

/** Copies a manifest with all that it contains. */
const copyAll = (
  connection: Connection,
  from: RepositoryName,
  to: RepositoryName,
  { document, manifest }: Loaded,
  tags: ReadonlyArray<Tag>,
  onProgress: (done: number) => void,
  depth = 0
): Result<unknown> =>
  Effect.gen(function*() {
    let done = 0
    const links = document === undefined || depth > maxDepth ? [] : Manifest.references(document)
    yield* Effect.forEach(links, ({ descriptor, kind }) =>
      Effect.gen(function*() {
        if (kind === "subject") return
        if (kind === "manifest") {
          const child = yield* content.manifest(connection, from, descriptor.digest)
          yield* copyAll(connection, from, to, child, [], () => {}, depth + 1)
        } else if (!MediaType.isNonDistributable(descriptor.mediaType)) {
          yield* copyBlob(connection, from, to, descriptor)
        }
        onProgress(++done)
      }), { concurrency: 4, discard: true })
    return yield* connection.registry.pushManifest(to, {
      mediaType: manifest.descriptor.mediaType,
      bytes: manifest.bytes,
      tags
    })
  })

/** Copies a manifest with all that it contains to another repository of the registry. */
export const copy = (
  connection: Connection,
  from: RepositoryName,
  target: Target,
  loaded: Loaded,
  onProgress: (done: number) => void
): Result<unknown> =>
  Effect.zipRight(
    ensureAbsent(connection, target, loaded.manifest.descriptor.digest),
    copyAll(connection, from, target.repository, loaded, [target.tag], onProgress)
  )

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const emptyConfig = json({})

const pushEmptyConfig = ({ registry }: Connection, repository: RepositoryName) => {
  const descriptor = Descriptor.fromBytes(emptyConfig, MediaType.empty)
  return Effect.as(registry.pushBlob(repository, descriptor, Body.bytes(emptyConfig)), descriptor)
}

/** Attaches an artifact that has only annotations to a manifest. */
export const annotate = (
  connection: Connection,
  repository: RepositoryName,
  subject: Descriptor.Descriptor,
  artifactType: string,
  annotations: { readonly [name: string]: string }
): Result<unknown> =>
  Effect.flatMap(pushEmptyConfig(connection, repository), (config) =>
    connection.registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: json({
        schemaVersion: 2,
        mediaType: MediaType.image,
        artifactType,
        config,
        layers: [config],
        subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
        annotations
      })
    }))

/** A file of the user. */
export interface UserFile {
  readonly name: string
  readonly type: string
  readonly size: number
  readonly stream: () => ReadableStream<Uint8Array<ArrayBuffer>>
}

const streamOf = (file: UserFile, onBytes: (bytes: number) => void): Stream.Stream<Uint8Array, RegistryError> =>
  Stream.fromReadableStream({
    evaluate: () => file.stream(),
    onError: (cause) => new BodyFailed({ reason: `the file ${file.name} cannot be read`, cause })
  }).pipe(Stream.tap((piece) => Effect.sync(() => onBytes(piece.byteLength))))

const mediaTypeOf = ({ type }: UserFile): string =>
  MediaType.isValid(type) && !MediaType.isActive(type) ? type : Descriptor.octetStream

/** Pushes files as one artifact. Reads each file twice: to compute its digest, and to send it. */
export const upload = (
  connection: Connection,
  target: Target,
  files: ReadonlyArray<UserFile>,
  onProgress: (bytes: number) => void
): Result<Target> =>
  Effect.gen(function*() {
    const { repository, tag } = target
    yield* ensureAbsent(connection, target)
    let done = 0
    const counted = (bytes: number) => {
      done += bytes
      onProgress(done)
    }
    const layers = yield* Effect.forEach(files, (file) =>
      Effect.gen(function*() {
        const hasher = Digest.hasher("sha256")
        yield* Stream.runForEach(streamOf(file, counted), (piece) => Effect.sync(() => hasher.update(piece)))
        const descriptor = { mediaType: mediaTypeOf(file), digest: hasher.digest(), size: file.size }
        const body = Body.stream(streamOf(file, counted), { size: file.size })
        yield* connection.registry.pushBlob(repository, descriptor, body)
        return { ...descriptor, annotations: { "org.opencontainers.image.title": file.name } }
      }))
    const config = yield* pushEmptyConfig(connection, repository)
    yield* connection.registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: json({
        schemaVersion: 2,
        mediaType: MediaType.image,
        artifactType: "application/vnd.unknown.artifact.v1",
        config,
        layers
      }),
      tags: [tag]
    })
    return target
  })

/** What else goes when a manifest is deleted. */
export interface Loss {
  /** The tags that point to the manifest. */
  readonly tags: ReadonlyArray<string>
  /** Whether there are more tags, which were not looked at. */
  readonly isPartial: boolean
  readonly referrers: number
}

const maxLookedAt = 500

/** Finds out what else goes when a manifest is deleted. */
export const lossOf = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest.Digest
): Result<Loss> =>
  Effect.gen(function*() {
    const { registry } = connection
    const names = Array.from(yield* Stream.runCollect(Stream.take(registry.listTags(repository), maxLookedAt + 1)))
    const pointing = yield* Effect.filter(
      names.slice(0, maxLookedAt),
      (name) =>
        Effect.match(registry.resolveManifest(repository, name), {
          onFailure: () => false,
          onSuccess: (descriptor) => descriptor.digest === digest
        }),
      { concurrency: 6 }
    )
    const found = yield* Effect.orElseSucceed(attached.read(connection, repository, digest), () => [])
    return { tags: pointing, isPartial: names.length > maxLookedAt, referrers: found.length }
  })
