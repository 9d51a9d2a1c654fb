import { Manifest, Operation } from "@effect-oci/core"
import type { Digest, RepositoryName, Tag } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Memory from "@effect-oci/store/Memory"
import * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as layout from "./layoutIndex.js"
import type { LayoutInvalid } from "./layoutInvalid.js"
import * as reader from "./layoutReader.js"
import * as lock from "./lock.js"
import * as owner from "./owner.js"

/** The error for a manifest that the index lists but that cannot be served: its file is broken, or its tag is ambiguous. */
export class Unusable {
  readonly _tag = "Unusable"
  constructor(readonly reason: string, readonly images: ReadonlyArray<layout.Named>) {}
}

/** The index of a layout, and a metadata store in memory with the same manifests and tags. */
export interface State extends layout.Index {
  readonly entries: Map<Digest.Digest, layout.Entry>
  readonly tags: ReadonlyMap<Tag.Tag, ReadonlyArray<layout.Named>>
  readonly metadata: MetadataStore.Service
}

/** Creates a metadata store in memory. */
export const memory: Effect.Effect<MetadataStore.Service> = Effect.suspend(() =>
  Effect.scoped(
    Effect.map(
      Layer.build(Memory.layerMetadataStore()),
      (context) => Context.get(context, MetadataStore.MetadataStore)
    )
  )
)

export const failed = (cause: unknown): StoreError.Failed => new StoreError.Failed({ cause })

/** Returns the path of a new file in `ingest`. */
export const aside = (path: string): string =>
  join(layout.ingestPath(path), `file-${crypto.randomUUID()}${owner.suffix()}`)

/** Replaces a file of a layout by bytes, atomically and durably. */
const replace = (path: string, file: string, bytes: Uint8Array): files.FileEffect<void> =>
  files.replace(file, bytes, aside(path))

const noBytes = new Uint8Array(0)

/** Returns the metadata of a manifest. For a manifest that cannot be read, this is only its descriptor and its tags. */
const put = (
  repository: RepositoryName.RepositoryName,
  { content, descriptor }: layout.Entry,
  tags: ReadonlyArray<Tag.Tag>
): MetadataStore.PutManifest => {
  const common = { repository, tags, ifAbsent: false, ifMatch: undefined, keep: Duration.zero }
  if (Either.isLeft(content)) {
    const manifest = { descriptor, bytes: noBytes } as unknown as Manifest.Manifest
    return { ...common, manifest, references: [], listedAs: undefined }
  }
  const { document, manifest } = content.right
  const links = Manifest.references(document)
  const references = links.map(({ descriptor, kind }) => ({
    digest: descriptor.digest,
    kind: kind === "config" ? "blob" as const : kind === "manifest" ? "child" as const : kind,
    required: false
  }))
  const isReferrer = links.some(({ kind }) => kind === "subject")
  const listedAs = isReferrer ? Manifest.referrer(manifest.descriptor, document) : undefined
  return { ...common, manifest, references, listedAs }
}

const load = (path: string, repository: RepositoryName.RepositoryName): Effect.Effect<State, LayoutInvalid> =>
  Effect.gen(function*() {
    const index = yield* reader.read(path)
    const tags = layout.tagsOf(index.entries)
    const tagsByDigest = new Map<Digest.Digest, Array<Tag.Tag>>()
    for (const [tag, [first]] of tags) {
      const found = tagsByDigest.get(first!.digest)
      if (found === undefined) tagsByDigest.set(first!.digest, [tag])
      else found.push(tag)
    }
    const metadata = yield* memory
    for (const [digest, entry] of index.entries) {
      yield* Effect.orDie(metadata.putManifest(put(repository, entry, tagsByDigest.get(digest) ?? [])))
    }
    return { ...index, entries: new Map(index.entries), tags, metadata }
  })

/** Returns the reason why a tag or a digest cannot be served, or `undefined` if it can. */
const problemOf = ({ entries, tags }: State, reference: Operation.TagOrDigest): Unusable | undefined => {
  const images = Operation.isDigest(reference) ? [] : tags.get(reference) ?? []
  if (images.length > 1) {
    const names = images.map(({ digest, name }) => `${name} (${digest})`).join(", ")
    return new Unusable(`several images have the tag ${reference}: ${names}; choose one by its name or digest`, images)
  }
  const digest = Operation.isDigest(reference) ? reference : images[0]?.digest
  const entry = digest === undefined ? undefined : entries.get(digest)
  return entry !== undefined && Either.isLeft(entry.content)
    ? new Unusable(`the index lists it, but it cannot be read: ${entry.content.left}`, [])
    : undefined
}

type Answer<A, E = never> = Effect.Effect<A, E | StoreError.Failed>

/**
 * The metadata of a layout in memory. It is read again when another process has changed the index. The index is always
 * written as a whole, under a lock.
 */
export class LayoutState {
  private readonly changing = Effect.unsafeMakeSemaphore(1)

  private constructor(
    private readonly path: string,
    private readonly repository: RepositoryName.RepositoryName,
    private state: State
  ) {}

  static open(
    path: string,
    repository: RepositoryName.RepositoryName
  ): Effect.Effect<LayoutState, LayoutInvalid> {
    return Effect.map(load(path, repository), (state) => new LayoutState(path, repository, state))
  }

  /** Returns whether the index lists a manifest, as last read. */
  lists(digest: Digest.Digest): boolean {
    return this.state.entries.has(digest)
  }

  /** Reads the metadata. */
  read<A, E>(f: (state: State) => Effect.Effect<A, E>): Answer<A, E> {
    return Effect.flatMap(reader.stampOf(this.path), (stamp) =>
      stamp === this.state.stamp
        ? f(this.state)
        : Effect.flatMap(this.changing.withPermits(1)(this.refreshed()), f))
  }

  /** Reads the metadata for a tag or a digest. Fails if its manifest cannot be served. */
  readFor<A, E>(reference: Operation.TagOrDigest, f: (state: State) => Effect.Effect<A, E>): Answer<A, E> {
    return this.read((state): Answer<A, E> => {
      const problem = problemOf(state, reference)
      return problem === undefined ? f(state) : Effect.fail(failed(problem))
    })
  }

  /** Changes the metadata and writes the index. If the write fails, the metadata is read again from the file. */
  change<A, E>(f: (state: State) => Effect.Effect<A, E | StoreError.Failed>): Answer<A, E> {
    return Effect.flatMap(this.refreshed(), (state) => Effect.zipLeft(f(state), this.save(state))).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          this.state = { ...this.state, stamp: "unknown" }
        })
      ),
      lock.within(layout.lockPath(this.path)),
      this.changing.withPermits(1),
      Effect.mapError((error) => error instanceof files.FileError ? failed(error) : error),
      Effect.uninterruptible
    )
  }

  private refreshed(): Answer<State> {
    return Effect.flatMap(
      reader.stampOf(this.path),
      (stamp) =>
        stamp === this.state.stamp ? Effect.succeed(this.state) : Effect.mapBoth(load(this.path, this.repository), {
          onFailure: failed,
          onSuccess: (loaded) => {
            this.state = loaded
            return loaded
          }
        })
    )
  }

  private save(changed: State): Answer<void> {
    return Effect.gen(this, function*() {
      yield* replace(this.path, layout.indexPath(this.path), layout.encode(changed))
      // The metadata in memory has only one manifest for an ambiguous tag, so the index must be read again.
      const settled = [...changed.tags.values()].every(({ length }) => length === 1)
      const stamp = settled ? yield* reader.stampOf(this.path) : "unknown"
      this.state = { ...changed, tags: layout.tagsOf(changed.entries), stamp }
    }).pipe(Effect.mapError(failed))
  }
}
