import { Descriptor, Digest, Manifest } from "@effect-oci/core"
import type { RepositoryName, Tag } from "@effect-oci/core"
import { BlobStore, Memory, MetadataStore } from "@effect-oci/store"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { readdir, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as DistributionSource from "../DistributionSource.js"
import * as layout from "./layoutIndex.js"
import * as files from "./nodeFiles.js"
import * as lock from "./nodeLock.js"

/** The bytes of a layout lie under their digests; those of uploads apart, until their digest is known. */
const keyOf = (digest: Digest.Digest): BlobStore.BlobKey => BlobStore.BlobKey(digest.replace(":", "-"))

/** The key of an upload has dashes too, and could be read as the digest of an algorithm that nobody knows. */
const digestOf = (key: BlobStore.BlobKey): Digest.Digest | undefined => {
  const parsed = Digest.parse(key.replace("-", ":"))
  return parsed._tag === "Right" && Digest.verifiable(parsed.right) !== undefined ? parsed.right : undefined
}

const ingest = layout.ingestPath

/** What was left of uploads, and has not been touched since, in milliseconds since 1970. */
const strays = (path: string, olderThan: number) =>
  Effect.catchIf(
    files.tried(ingest(path), async () => {
      const found: Array<string> = []
      for (const name of await readdir(ingest(path))) {
        const { mtimeMs } = await stat(join(ingest(path), name))
        if (mtimeMs < olderThan) found.push(name)
      }
      return found
    }),
    (error) => error.missing,
    () => Effect.succeed<Array<string>>([])
  )

/** How long bytes that no upload belongs to any more are left alone: whoever put them there may still be at work. */
const day = 24 * 60 * 60 * 1000

/** Removes what processes that were killed have left behind, where that can be done. */
export const sweep = (path: string): Effect.Effect<void> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const names = yield* strays(path, now - day)
    yield* Effect.forEach(names, (name) => files.remove(join(ingest(path), name)), { discard: true })
  }).pipe(Effect.ignore)

/** Where the bytes of a layout lie. */
export const blobStore = (path: string): BlobStore.Service => {
  const upload = (token: BlobStore.UploadToken) => join(ingest(path), `upload-${token}`)
  const received = (key: BlobStore.BlobKey) => join(ingest(path), `blob-${key}`)
  const fileOf = (key: BlobStore.BlobKey) => {
    const digest = digestOf(key)
    return digest === undefined ? received(key) : layout.blobPath(path, digest)
  }
  const broken = (error: files.FileError) => new BlobStore.Failed({ cause: error })
  const size = (file: string) => Effect.mapError(files.sizeOf(file), broken)
  /** Where the uploads stand that a chunk flows into. */
  const receiving = new Map<BlobStore.UploadToken, number>()

  /** One at a time: another would write over what counts already. */
  const alone = <A, E>(token: BlobStore.UploadToken, offset: number, effect: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        const stands = receiving.get(token)
        return stands === undefined
          ? Effect.sync(() => receiving.set(token, offset))
          : Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
      }),
      () => effect,
      () => Effect.sync(() => receiving.delete(token))
    )

  return {
    stat: (key) => size(fileOf(key)),
    read: (key, span) =>
      Effect.gen(function*() {
        const found = yield* size(fileOf(key))
        if (found === undefined) return yield* Effect.fail(new BlobStore.NotFound({ key }))
        if (span !== undefined && span.offset + span.length > found) {
          return yield* Effect.fail(new BlobStore.RangeInvalid({ key, size: found }))
        }
        return yield* Effect.mapError(files.read(fileOf(key), span), broken)
      }),
    openUpload: (id) =>
      Effect.mapError(
        Effect.as(files.folder(ingest(path)), BlobStore.UploadToken(id)),
        broken
      ),
    append: (token, offset, body) =>
      alone(
        token,
        offset,
        Effect.gen(function*() {
          const stands = (yield* size(upload(token))) ?? 0
          if (stands !== offset) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
          const written = yield* files.write(upload(token), body, offset)
          return { offset: offset + written, token }
        })
      ).pipe(Effect.catchTags({
        BodyError: ({ error, written }) =>
          Effect.fail(new BlobStore.BodyBroken({ offset: offset + written, cause: error })),
        FileError: (error) => Effect.fail(error.full ? new BlobStore.Full() : broken(error))
      })),
    commit: (token, key, expected) =>
      Effect.gen(function*() {
        const stands = yield* size(upload(token))
        if (stands === undefined) {
          if ((yield* size(received(key))) === expected) return
          if (expected > 0) return yield* Effect.fail(new BlobStore.UploadUnknown())
          return yield* Effect.mapError(files.create(received(key), new Uint8Array(0)), broken)
        }
        if (stands !== expected) return yield* Effect.fail(new BlobStore.OffsetMismatch({ offset: stands }))
        yield* Effect.mapError(files.move(upload(token), received(key)), broken)
      }),
    abort: (token) => Effect.mapError(files.remove(upload(token)), broken),
    listUploads: (olderThan) =>
      Stream.unwrap(Effect.map(
        Effect.mapError(strays(path, olderThan), broken),
        (names) => {
          const ids = names.flatMap((name) => name.startsWith("upload-") ? [name.slice("upload-".length)] : [])
          return Stream.fromIterable(ids.map((id) => ({ id, token: BlobStore.UploadToken(id) })))
        }
      )),
    delete: (key) => Effect.mapError(files.remove(fileOf(key)), broken)
  }
}

/** The facts of a layout, as far as they are kept in memory: those of its manifests. */
const facts = Effect.suspend(() =>
  Effect.scoped(
    Effect.map(
      Layer.build(Memory.layerMetadataStore()),
      (context) => Context.get(context, MetadataStore.MetadataStore)
    )
  )
)

interface State extends layout.Index {
  readonly entries: Map<Digest.Digest, layout.Entry>
  readonly tags: Map<Tag.Tag, Digest.Digest>
  readonly facts: MetadataStore.Service
}

const put = (
  repository: RepositoryName.RepositoryName,
  { document, manifest }: Pick<layout.Entry, "document" | "manifest">,
  tags: ReadonlyArray<Tag.Tag>
): MetadataStore.PutManifest => {
  const subject = Manifest.references(document).find(({ kind }) => kind === "subject")?.descriptor.digest
  return {
    repository,
    manifest,
    blobs: [],
    children: [],
    referrer: subject === undefined
      ? undefined
      : { subject, descriptor: Manifest.referrer(manifest.descriptor, document) },
    tags,
    ifAbsent: false
  }
}

/**
 * Where the facts of a layout lie: in its index, read again when another has changed it, and written whole, under a lock.
 * It has one repository.
 */
export const metadataStore = (path: string, repository: RepositoryName.RepositoryName) =>
  Effect.gen(function*() {
    const uploads = yield* facts
    const broken = (cause: unknown) => new MetadataStore.Failed({ cause })
    const changing = yield* Effect.makeSemaphore(1)

    const load = Effect.gen(function*() {
      const index = yield* layout.read(path)
      const { entries, tags } = index
      const kept = yield* facts
      for (const [digest, entry] of entries) {
        const named = [...tags].flatMap(([tag, tagged]) => tagged === digest ? [tag] : [])
        yield* Effect.orDie(kept.putManifest(put(repository, entry, named)))
      }
      return { ...index, entries: new Map(entries), tags: new Map(tags), facts: kept }
    })

    let state: State = yield* load
    const current = Effect.flatMap(layout.stampOf(path), (stamp) =>
      stamp === state.stamp ? Effect.sync(() => state) : changing.withPermits(1)(refresh))
    const refresh = Effect.suspend(() =>
      Effect.flatMap(layout.stampOf(path), (stamp) =>
        stamp === state.stamp
          ? Effect.succeed(state)
          : Effect.mapBoth(load, {
            onFailure: broken,
            onSuccess: (loaded) => {
              state = loaded
              return loaded
            }
          }))
    )

    const save = (changed: State) =>
      Effect.gen(function*() {
        yield* files.replace(layout.indexPath(path), layout.encode(changed), ingest(path))
        state = { ...changed, stamp: yield* layout.stampOf(path) }
      }).pipe(Effect.mapError(broken))

    /** Changes the facts and writes them down. What cannot be written is forgotten: the file is what counts. */
    const change = <A, E>(f: (state: State) => Effect.Effect<A, E | MetadataStore.Failed>) =>
      Effect.flatMap(refresh, (state) =>
        Effect.zipLeft(f(state), Effect.suspend(() => save(state)))).pipe(
          Effect.onError(() =>
            Effect.sync(() => {
              state = { ...state, stamp: "unknown" }
            })
          ),
          lock.within(layout.lockPath(path)),
          changing.withPermits(1),
          Effect.mapError((error) => error instanceof files.FileError ? broken(error) : error),
          Effect.uninterruptible
        )

    const sizeOf = (digest: Digest.Digest) => Effect.mapError(files.sizeOf(layout.blobPath(path, digest)), broken)

    const hasBlob: MetadataStore.Service["hasBlob"] = (asked, digest) =>
      asked !== repository || state.entries.has(digest)
        ? Effect.succeed<MetadataStore.StoredBlob | undefined>(undefined)
        : Effect.map(sizeOf(digest), (size) =>
          size === undefined
            ? undefined
            : { descriptor: { mediaType: Descriptor.octetStream, digest, size }, key: keyOf(digest) })

    const missing = (digests: ReadonlyArray<Digest.Digest>) =>
      Effect.filter(digests, (digest) => Effect.map(sizeOf(digest), (size) => size === undefined))

    const service: MetadataStore.Service = {
      hasBlob,
      linkUploaded: ({ digest, id, size }) =>
        Effect.gen(function*() {
          const { key, offset } = yield* uploads.getUpload(id)
          if (offset !== size) return yield* Effect.fail(new MetadataStore.OffsetMismatch({ offset }))
          const to = layout.blobPath(path, digest)
          yield* files.folder(dirname(to)).pipe(
            Effect.zipRight(files.move(join(ingest(path), `blob-${key}`), to)),
            Effect.mapError(broken)
          )
          yield* uploads.endUpload(id)
          yield* uploads.forgetReleased(key)
          return undefined
        }),
      mount: ({ digest, from }) =>
        from !== undefined && from !== repository
          ? Effect.succeed(false)
          : Effect.map(hasBlob(repository, digest), (found) => found !== undefined),
      unlinkBlob: (asked, digest) =>
        Effect.gen(function*() {
          if ((yield* hasBlob(asked, digest)) === undefined) return yield* Effect.fail(new MetadataStore.BlobUnknown())
          yield* Effect.mapError(files.remove(layout.blobPath(path, digest)), broken)
          return undefined
        }),
      putManifest: (asked) =>
        Effect.gen(function*() {
          const source = yield* DistributionSource.Current
          const absent = yield* missing([...asked.blobs, ...asked.children])
          if (absent.length > 0) return yield* Effect.fail(new MetadataStore.ContentUnknown({ digests: absent }))
          const { bytes, descriptor } = asked.manifest
          const { digest, mediaType } = descriptor
          const document = yield* Effect.orDie(Manifest.parse({ mediaType, bytes }))
          const file = layout.blobPath(path, digest)
          yield* files.folder(dirname(file)).pipe(
            Effect.zipRight(files.replace(file, bytes, ingest(path))),
            Effect.mapError(broken)
          )
          yield* change((state) =>
            Effect.map(state.facts.putManifest({ ...asked, blobs: [], children: [] }), () => {
              const before = state.entries.get(digest)
              const annotations = before?.more["annotations"] as Descriptor.Descriptor["annotations"]
              const described = source === undefined
                ? undefined
                : DistributionSource.add({ ...descriptor, annotations }, source).annotations
              const children = Manifest.references(document)
                .flatMap((link) => link.kind === "manifest" ? [link.descriptor.digest] : [])
              state.entries.set(digest, {
                manifest: asked.manifest,
                document,
                children,
                more: { ...before?.more, ...(described === undefined ? {} : { annotations: described }) },
                names: before?.names ?? []
              })
              for (const tag of asked.tags) {
                unname(state, tag, digest)
                state.tags.set(tag, digest)
              }
            })
          )
        }),
      resolveManifest: (asked, reference) =>
        Effect.flatMap(current, (state) => Effect.map(state.facts.resolveManifest(asked, reference), annotated(state))),
      getManifest: (asked, reference) =>
        Effect.flatMap(current, (state) =>
          Effect.map(state.facts.getManifest(asked, reference), (manifest) => ({
            ...manifest,
            descriptor: annotated(state)(manifest.descriptor)
          }))),
      deleteManifest: (asked, digest) =>
        change((state) =>
          Effect.map(state.facts.deleteManifest(asked, digest), () => {
            state.entries.delete(digest)
            for (const [tag, tagged] of state.tags) if (tagged === digest) state.tags.delete(tag)
          })
        ).pipe(
          Effect.zipRight(Effect.mapError(files.remove(layout.blobPath(path, digest)), broken))
        ),
      deleteTag: (asked, tag) =>
        change((state) =>
          Effect.map(state.facts.deleteTag(asked, tag), () => {
            unname(state, tag)
            state.tags.delete(tag)
          })
        ),
      listTags: (asked, after, n) => Effect.flatMap(current, ({ facts }) => facts.listTags(asked, after, n)),
      listReferrers: (asked, subject, type, after, n) =>
        Effect.flatMap(current, ({ facts }) => facts.listReferrers(asked, subject, type, after, n)),
      listRepositories: (after, n) => Effect.flatMap(current, ({ facts }) => facts.listRepositories(after, n)),
      createUpload: uploads.createUpload,
      getUpload: uploads.getUpload,
      advanceUpload: uploads.advanceUpload,
      endUpload: uploads.endUpload,
      expireUploads: uploads.expireUploads,
      listReleased: uploads.listReleased,
      forgetReleased: uploads.forgetReleased
    }
    return service
  })

/** Takes a tag away from all but one: who has a name that stands for it loses that, or the tag would come back. */
const unname = ({ entries }: State, tag: Tag.Tag, but?: Digest.Digest): void => {
  for (const [digest, entry] of entries) {
    const names = entry.names.filter((name) => digest === but || layout.tagOf(name) !== tag)
    if (names.length < entry.names.length) entries.set(digest, { ...entry, names })
  }
}

/** A descriptor with what the index says of where its content came from. */
const annotated = ({ entries }: State) => (descriptor: Descriptor.Descriptor): Descriptor.Descriptor => {
  const annotations = entries.get(descriptor.digest)?.more["annotations"] as Descriptor.Descriptor["annotations"]
  return annotations === undefined ? descriptor : { ...descriptor, annotations }
}
