/**
 * Pushes files as an artifact, with their names, and pulls them into a folder, as `oras` does.
 *
 * @since 0.1.0
 */
import { BlobPush, Body, Descriptor, Digest, Manifest, MediaType, printable, RegistryError } from "@effect-oci/core"
import type { Operation, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { lstat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as titles from "./internal/node/titles.js"

/**
 * The annotation of a layer that contains the name of its file. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys).
 *
 * @since 0.1.0
 * @category constants
 */
export const title = "org.opencontainers.image.title"

/**
 * The default media type of a file.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMediaType = "application/vnd.oci.image.layer.v1.tar"

/**
 * The error for a file that cannot be read, written or named. It contains the path and the reason. The message is safe to
 * print: its length is limited, and invisible characters are escaped.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileRefused extends Data.TaggedError("OciFileRefused")<{
  readonly path: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `cannot use ${printable(this.path, 300)} as a file of an artifact: ${printable(this.reason)}`
  }
}

const unsafeTitle = (path: string, title: string) =>
  new FileRefused({
    path,
    reason: `the title "${printable(title, 200)}" is not safe as the name of a file; give the file another title`
  })

const refused = ({ cause, path, reason }: files.FileError) => new FileRefused({ path, reason, cause })

/**
 * A file of an artifact.
 *
 * @since 0.1.0
 * @category models
 */
export interface File {
  readonly path: string
  /** The name of the file in the artifact, with `/` between folders. Default: the last part of `path`. */
  readonly title?: string | undefined
  /** The media type of the layer. Default: {@link defaultMediaType}. */
  readonly mediaType?: string | undefined
  readonly annotations?: { readonly [key: string]: string } | undefined
}

/**
 * The contents of an artifact.
 *
 * @since 0.1.0
 * @category options
 */
export interface Contents {
  /**
   * The kind of the artifact: `application/vnd.example.sbom.v1`. See the
   * [image spec](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage).
   */
  readonly artifactType: string
  readonly files: ReadonlyArray<File>
  readonly annotations?: { readonly [key: string]: string } | undefined
  /** The manifest that the artifact refers to. The registry lists the artifact among the referrers of this manifest. */
  readonly subject?: Descriptor.Descriptor | undefined
  /** The config of the artifact. Default: the empty config, `{}`. */
  readonly config?: { readonly mediaType: string; readonly bytes: Uint8Array } | undefined
  /** Which titles are allowed. Default: `safe`. */
  readonly titles?: Titles | undefined
}

const emptyConfig = new TextEncoder().encode("{}")

const pushBytes = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName,
  bytes: Uint8Array,
  mediaType: string
) => {
  const body = Body.hashed(bytes)
  return pushAbsent(registry, repository, Descriptor.fromBody(body, mediaType), body)
}

/** Pushes a blob if the repository does not have it. */
const pushAbsent = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName,
  descriptor: Descriptor.Descriptor,
  body: Body.Body
) =>
  BlobPush.ensure(registry, repository, descriptor.digest, {
    upload: () => registry.pushBlob(repository, descriptor, body)
  }).pipe(Effect.as(descriptor))

const pushFile = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName,
  file: File,
  allowed: Titles | undefined
) =>
  Effect.scoped(Effect.gen(function*() {
    const name = file.title ?? basename(file.path)
    if (titles.partsOf(name, allowed ?? "safe") === undefined) {
      return yield* Effect.fail(unsafeTitle(file.path, name))
    }
    const body = yield* Effect.mapError(files.read(file.path), refused)
    const hasher = Digest.hasher("sha256")
    let size = 0
    yield* Body.forEachChunk(body, (piece) => {
      size += piece.byteLength
      hasher.update(piece)
    })
    const descriptor = { mediaType: file.mediaType ?? defaultMediaType, digest: hasher.digest(), size }
    yield* pushAbsent(registry, repository, descriptor, body)
    return { ...descriptor, annotations: { ...file.annotations, [title]: name } }
  }))

/**
 * Pushes files as an artifact. Each file becomes a layer with its name. Files that the repository has are not sent again.
 * The manifest contains no date, except one in `annotations`, so that the same files make the same artifact.
 *
 * Fails with {@link FileRefused} if a file cannot be read or its title is not allowed.
 *
 * @since 0.1.0
 * @category artifacts
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import * as NodeArtifact from "@effect-oci/transfer/NodeArtifact"
 * import { Effect } from "effect"
 *
 * const pushed = Effect.flatMap(Registry, (registry) =>
 *   NodeArtifact.push({ registry, repository: RepositoryName.make("team/policy"), tags: [Tag.make("v1")] }, {
 *     artifactType: "application/vnd.example.policy.v1",
 *     files: [{ path: "policy.rego", mediaType: "text/plain" }]
 *   }))
 * ```
 */
export const push = (
  target: {
    readonly registry: Registry["Type"]
    readonly repository: RepositoryName.RepositoryName
    readonly tags?: ReadonlyArray<Tag.Tag> | undefined
  },
  contents: Contents
): Effect.Effect<Operation.PushedManifest, RegistryError.RegistryError | FileRefused> =>
  Effect.gen(function*() {
    const { registry, repository } = target
    const { bytes = emptyConfig, mediaType = MediaType.empty } = contents.config ?? {}
    const config = yield* pushBytes(registry, repository, bytes, mediaType)
    const layers = yield* Effect.forEach(contents.files, (file) =>
      pushFile(registry, repository, file, contents.titles), {
      concurrency: 4
    })
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.image,
      artifactType: contents.artifactType,
      config,
      // The image spec requires at least one layer ("Image Manifest"): an artifact without files has an empty layer.
      layers: layers.length > 0 ? layers : [yield* pushBytes(registry, repository, emptyConfig, MediaType.empty)],
      subject: contents.subject,
      annotations: contents.annotations
    }
    return yield* registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: new TextEncoder().encode(JSON.stringify(manifest)),
      tags: target.tags ?? []
    })
  })

/**
 * Which titles are allowed. `safe` refuses titles that mislead a reader (control, format and bidirectional characters),
 * that Windows reserves or cannot store (`CON`, `a.`, `a?`), or that change what git does (`.git/config`). `any` allows
 * these titles too. A title that leads out of the folder is always refused.
 *
 * @since 0.1.0
 * @category options
 */
export type Titles = "safe" | "any"

/** Fails if a folder on the path is a link: a link could lead out of the folder. */
const plainFolders = (folder: string, parts: ReadonlyArray<string>) =>
  Effect.forEach(
    parts.slice(0, -1).map((_, index) => join(folder, ...parts.slice(0, index + 1))),
    (path) =>
      Effect.flatMap(
        Effect.option(files.attempt("open", path, () => lstat(path))),
        (found) =>
          found._tag === "None" || found.value.isDirectory()
            ? Effect.void
            : Effect.fail(new FileRefused({ path, reason: "it is not a folder, or is a link to a folder" }))
      ),
    { discard: true }
  )

/**
 * A file that was pulled.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pulled {
  readonly path: string
  readonly descriptor: Descriptor.Descriptor
}

/**
 * Pulls the files of an artifact into a folder: the layers that have a title. Other layers are skipped. Each file is
 * verified, and appears under its name when it is complete. If a name is refused, no file is written.
 *
 * Fails with {@link FileRefused} if a file exists and `overwrite` is not set, if a title leads out of the folder, also
 * through a link, or if a title is not allowed ({@link Titles}).
 *
 * @since 0.1.0
 * @category artifacts
 */
export const pull = (
  source: {
    readonly registry: Registry["Type"]
    readonly repository: RepositoryName.RepositoryName
    readonly reference: Operation.TagOrDigest
  },
  folder: string,
  options?: {
    /** Replaces files that exist. Default: `false`. */
    readonly overwrite?: boolean | undefined
    /** Which titles are allowed. Default: `safe`. */
    readonly titles?: Titles | undefined
  }
): Effect.Effect<ReadonlyArray<Pulled>, RegistryError.RegistryError | FileRefused> =>
  Effect.gen(function*() {
    const { reference, registry, repository } = source
    const manifest = yield* registry.getManifest(repository, reference)
    const document = yield* Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes })
    if (document._tag === "Index") {
      return yield* Effect.fail(
        new RegistryError.ManifestInvalid({
          repository,
          reference,
          reason: "the manifest is an index, which has no files; pull one of its entries"
        })
      )
    }
    const outputs = new Map<string, { readonly parts: ReadonlyArray<string>; readonly blob: Descriptor.Descriptor }>()
    for (const { descriptor, kind } of Manifest.references(document)) {
      const name = descriptor.annotations?.[title]
      if (kind !== "blob" || name === undefined) continue
      const parts = titles.partsOf(name, options?.titles ?? "safe")
      if (parts === undefined) return yield* Effect.fail(unsafeTitle(folder, name))
      const path = join(folder, ...parts)
      if (outputs.has(path)) {
        return yield* Effect.fail(new FileRefused({ path, reason: "two layers of the artifact have this title" }))
      }
      outputs.set(path, { parts, blob: descriptor })
    }
    // Every name is checked before the first file is written, so that a refused artifact changes no file.
    for (const [path, { parts }] of outputs) {
      yield* plainFolders(folder, parts)
      const existing = Option.getOrUndefined(yield* Effect.option(files.attempt("open", path, () => lstat(path))))
      if (existing !== undefined && (options?.overwrite !== true || !existing.isFile())) {
        const reason = existing.isFile()
          ? "the file exists; set `overwrite` to replace it"
          : "it exists, and is not a file"
        return yield* Effect.fail(new FileRefused({ path, reason }))
      }
    }
    return yield* Effect.forEach([...outputs], ([path, { blob, parts }]) =>
      Effect.scoped(Effect.gen(function*() {
        yield* plainFolders(folder, parts)
        yield* Effect.mapError(files.createDirectory(dirname(path)), refused)
        const part = join(dirname(path), `.${crypto.randomUUID()}`)
        const content = yield* registry.getBlob(repository, blob.digest)
        yield* files.write(part, content.body).pipe(
          Effect.zipRight(files.move(part, path)),
          Effect.onError(() => Effect.ignore(files.remove(part))),
          Effect.mapError((error) => error._tag === "OciFileError" ? refused(error) : error.error)
        )
        return { path, descriptor: blob }
      })), { concurrency: 4 })
  })
