/**
 * OCI image layouts: folders on disk that work as registries.
 *
 * @since 0.1.0
 */
import { Answer, BlobContent, Digest, Operation, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as BlobStore from "@effect-oci/store/BlobStore"
import * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Store from "@effect-oci/store/Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { lstat } from "node:fs/promises"
import { join } from "node:path"
import * as blobs from "./internal/node/layoutBlobStore.js"
import { indexPath, lockPath } from "./internal/node/layoutIndex.js"
import { LayoutInvalid } from "./internal/node/layoutInvalid.js"
import * as metadata from "./internal/node/layoutMetadataStore.js"
import { unreadable } from "./internal/node/layoutReader.js"
import { aside, Unusable } from "./internal/node/layoutState.js"
import * as lock from "./internal/node/lock.js"
import { Placing } from "./internal/node/placing.js"

export { LayoutInvalid }

/**
 * Options for a layout.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The name of the layout's only repository. Default: `layout`. */
  readonly repository?: RepositoryName.RepositoryName | undefined
  /** Creates the layout, and its folder, if the path is not a layout yet. Default: `false`. */
  readonly create?: boolean | undefined
}

/**
 * The default name of the repository of a layout.
 *
 * @since 0.1.0
 * @category constants
 */
export const repository: RepositoryName.RepositoryName = RepositoryName.make("layout")

const Marker = Schema.parseJson(Schema.Struct({ imageLayoutVersion: Schema.String }))

const markerPath = (path: string) => join(path, "oci-layout")

/** Fails if a folder of the layout is a link: a link could lead out of the layout. */
const plainFolders = (path: string) =>
  Effect.forEach(
    ["", "blobs", ...Digest.algorithms.map((algorithm) => `blobs/${algorithm}`), "ingest"],
    (name) => {
      const folder = join(path, name)
      return files.attempt("open", folder, () => lstat(folder)).pipe(
        Effect.catchIf((error) => error.isMissing, () => Effect.succeedNone),
        Effect.mapError(unreadable(path)),
        Effect.flatMap((found) =>
          !("isDirectory" in found) || found.isDirectory() || (name === "" && found.isSymbolicLink())
            ? Effect.void
            : Effect.fail(new LayoutInvalid({ layout: path, reason: `${folder}: it is not a folder` }))
        )
      )
    },
    { discard: true }
  )

/** Reads the file `oci-layout`, which marks a folder as a layout. */
const readMarker = (path: string) =>
  Effect.map(files.readAll(markerPath(path), 4096), (bytes) => new TextDecoder().decode(bytes))

/**
 * Creates a layout in a folder. Another process may do the same at the same time. A file that a power failure left out is
 * added.
 */
const made = (path: string, placing: Placing) => {
  const put = (file: string, content: string) =>
    Effect.flatMap(
      files.sizeOf(file),
      (size) => size === undefined ? placing.put(aside(path), file, new TextEncoder().encode(content)) : Effect.void
    )
  const marker = JSON.stringify({ imageLayoutVersion: "1.0.0" })
  return Effect.zipRight(
    placing.createDirectory(join(path, "blobs", "sha256")),
    Effect.zipRight(put(indexPath(path), emptyIndex), put(markerPath(path), marker)).pipe(lock.within(lockPath(path)))
  )
}

/** Returns whether a folder lacks a file that every layout has. */
const isIncomplete = (path: string) =>
  Effect.exists(
    [markerPath(path), indexPath(path)],
    (file) => Effect.map(files.sizeOf(file), (size) => size === undefined)
  )

/**
 * Fails if a folder is not a layout. With `create`, creates the layout. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/image-layout.md#oci-layout-file).
 */
const check = (path: string, create: boolean, placing: Placing): Effect.Effect<void, LayoutInvalid> =>
  Effect.gen(function*() {
    yield* plainFolders(path)
    const marker = yield* Effect.if(create ? isIncomplete(path) : Effect.succeed(false), {
      onTrue: () => made(path, placing),
      onFalse: () => Effect.void
    }).pipe(Effect.zipRight(readMarker(path)), Effect.mapError(unreadable(path)))
    const version = yield* Effect.mapError(
      Schema.decodeUnknown(Marker)(marker),
      () => new LayoutInvalid({ layout: path, reason: `${markerPath(path)}: it has no imageLayoutVersion` })
    )
    if (version.imageLayoutVersion !== "1.0.0") {
      return yield* Effect.fail(
        new LayoutInvalid({
          layout: path,
          reason: `${markerPath(path)}: its version is ${version.imageLayoutVersion}; only version 1.0.0 is supported`
        })
      )
    }
  })

const emptyIndex = JSON.stringify({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.index.v1+json",
  manifests: []
})

/** Other programs may have written the files: the reader of a blob verifies it. */
const unverified: Middleware.Middleware = (next) => (operation) =>
  Answer.mapShape(next(operation), operation, {
    content: (content) => new BlobContent.BlobContent({ ...content, verified: false })
  })

type Problem = files.FileError | LayoutInvalid | Unusable

/** The problem of the files that made the stores fail, if that is the cause. */
const problemOf = (cause: unknown): Problem | undefined => {
  if (cause instanceof files.FileError || cause instanceof LayoutInvalid) return cause
  if (cause instanceof Unusable) return cause
  return Predicate.hasProperty(cause, "cause") ? problemOf(cause.cause) : undefined
}

/** The error of an operation that failed because of the files. A full disk is `Denied`: a retry would not help. */
const errorOf = (
  operation: Operation.Operation,
  problem: Problem,
  cause: unknown
): RegistryError.RegistryError => {
  const fields = { ...Operation.errorFields(operation), cause }
  switch (problem._tag) {
    case "OciLayoutInvalid":
      return new RegistryError.Unavailable({ ...fields, reason: problem.message })
    case "Unusable": {
      const { images: members, reason } = problem
      const tag = Either.getOrUndefined(Tag.parse(fields.reference ?? ""))
      return members.length > 0 && tag !== undefined
        ? new RegistryError.TagConflict({ ...fields, reason, tag, members })
        : new RegistryError.ManifestUnknown({ ...fields, reason })
    }
    case "OciFileError": {
      const reason = `${problem.path}: ${problem.reason}`
      return problem.isFull
        ? new RegistryError.Denied({ ...fields, reason })
        : new RegistryError.Unavailable({ ...fields, reason })
    }
  }
}

/** Adds the file that failed, and the reason, to the errors of a handler. */
const explained: Middleware.Middleware = (next) => (operation) =>
  Effect.mapError(next(operation), (error) => {
    const problem = error._tag === "OciUnavailable" ? problemOf(error.cause) : undefined
    return problem === undefined ? error : errorOf(operation, problem, error.cause)
  })

/** Fails writes to other repositories with `Denied`: a layout has only one repository. */
const single = (path: string, only: RepositoryName.RepositoryName): Middleware.Middleware => (next) => (operation) => {
  const elsewhere = Operation.repositories(operation).some(({ action, repository }) =>
    action !== "pull" && repository !== only
  )
  return elsewhere && !Operation.isRead(operation)
    ? Effect.fail(
      new RegistryError.Denied({
        ...Operation.errorFields(operation),
        reason: `the image layout ${path} has only the repository ${only}; write to that repository`
      })
    )
    : next(operation)
}

/**
 * Creates a layer of a registry with one repository, which is the image layout in a folder. Its tags are the names in the
 * index (`org.opencontainers.image.ref.name`). If a name is a whole reference, the tag is the tag of this reference.
 *
 * All content is verified: manifests when the layout is opened or has changed, blobs while they are read. Symbolic links
 * are refused, so that no path leads out of the folder. Content is written durably before it becomes visible: a blob is
 * complete under its digest, or is not there. Pushed blobs cannot be lost any more when the index lists a manifest, or at
 * the end of the layer: their folder is synced only then. The index is replaced in one step, under a lock, so that several
 * processes may write to one layout. The registry sees the changes of other processes.
 *
 * A manifest can be read by its digest if the index lists it, directly or through other manifests. Deleting a manifest does
 * not delete its blobs. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
 *
 * Fails with `LayoutInvalid` if the folder is not a layout and `create` is not set, or if the layout cannot be read.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 * import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
 * import { Effect } from "effect"
 *
 * const exported = (from: Registry["Type"]) =>
 *   Effect.flatMap(Registry, (registry) =>
 *     Copy.copy(
 *       { registry: from, repository: RepositoryName.make("team/app"), reference: Tag.make("v1") },
 *       { registry, repository: NodeOciLayout.repository }
 *     )).pipe(Effect.provide(NodeOciLayout.layer("./app", { create: true })))
 * ```
 */
export const layer = (path: string, options?: Options): Layer.Layer<Registry, LayoutInvalid> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const only = options?.repository ?? repository
    const placing = new Placing()
    yield* check(path, options?.create ?? false, placing)
    yield* blobs.sweep(path)
    const backends = Layer.scopedContext(Effect.gen(function*() {
      const received = yield* blobs.make(path, placing)
      return Context.make(BlobStore.BlobStore, received.service).pipe(
        Context.add(MetadataStore.MetadataStore, yield* metadata.make(path, only, received))
      )
    }))
    return Store.layer().pipe(
      Layer.provide(backends),
      Registry.wrap(unverified),
      Registry.wrap(explained),
      Registry.wrap(single(path, only))
    )
  }))
