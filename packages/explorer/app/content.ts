/** Manifests and small blobs. What was read by its digest is kept in memory for as long as the connection. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { Digest } from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { Connection } from "./connection.js"
import * as imageConfig from "./imageConfig.js"
import * as json from "./json.js"

/** A manifest, and its content if the page can read it. */
export interface Loaded {
  readonly manifest: Manifest.Manifest
  readonly document: Manifest.Document | undefined
  /** Why the manifest cannot be read. */
  readonly problem: string | undefined
}

/** How many bytes of a config, and of a document such as an SBOM, the page reads. */
export const maxConfig = 4 * 1024 * 1024
export const maxDocument = 32 * 1024 * 1024

const maxKept = 300

type Kept = Map<string, Loaded | Uint8Array>

const keptBy = new WeakMap<Connection, Kept>()

const keptOf = (connection: Connection): Kept => {
  const kept = keptBy.get(connection) ?? new Map()
  keptBy.set(connection, kept)
  return kept
}

const keep = (connection: Connection, key: string, value: Loaded | Uint8Array): void => {
  const kept = keptOf(connection)
  kept.set(key, value)
  for (const oldest of kept.keys()) {
    if (kept.size <= maxKept) break
    kept.delete(oldest)
  }
}

/** Reads a manifest. The same digest gives the same object. */
export const manifest = (
  connection: Connection,
  repository: RepositoryName,
  reference: Operation.TagOrDigest
): Effect.Effect<Loaded, RegistryError.RegistryError> =>
  Effect.suspend(() => {
    const kept = keptOf(connection).get(`${repository} ${reference}`)
    if (kept !== undefined) return Effect.succeed(kept as Loaded)
    return Effect.map(connection.registry.getManifest(repository, reference), (manifest) => {
      const key = `${repository} ${manifest.descriptor.digest}`
      const same = keptOf(connection).get(key)
      if (same !== undefined) return same as Loaded
      const parsed = Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes })
      const loaded: Loaded = {
        manifest,
        document: Either.getOrUndefined(parsed),
        problem: Either.isLeft(parsed) ? parsed.left.message : undefined
      }
      keep(connection, key, loaded)
      return loaded
    })
  })

/** Collects bytes. Fails if there are more than `limit`. */
export const collect = (
  stream: Stream.Stream<Uint8Array, RegistryError.RegistryError>,
  limit: number
): Effect.Effect<Uint8Array<ArrayBuffer>, RegistryError.RegistryError> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let size = 0
    const add = (piece: Uint8Array) => {
      size += piece.byteLength
      pieces.push(piece)
      return size > limit
        ? Effect.fail(new RegistryError.SizeInvalid({ reason: `the content is larger than ${limit} bytes`, limit }))
        : Effect.void
    }
    return Effect.map(Stream.runForEach(stream, add), () => {
      const all = new Uint8Array(size)
      let at = 0
      for (const piece of pieces) {
        all.set(piece, at)
        at += piece.byteLength
      }
      return all
    })
  })

/** Reads a small blob. Its digest is verified. */
export const blob = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest,
  limit: number
): Effect.Effect<Uint8Array, RegistryError.RegistryError> =>
  Effect.suspend(() => {
    const key = `${repository} blob ${digest}`
    const kept = keptOf(connection).get(key)
    if (kept !== undefined) return Effect.succeed(kept as Uint8Array)
    return Effect.scoped(
      Effect.flatMap(connection.registry.getBlob(repository, digest), ({ stream }) => collect(stream, limit))
    ).pipe(Effect.tap((bytes) =>
      Effect.sync(() => {
        if (bytes.byteLength <= 256 * 1024) keep(connection, key, bytes)
      })
    ))
  })

/** Returns whether a config is that of a container image, and not of an artifact. */
export const isImageConfig = ({ mediaType }: Descriptor): boolean =>
  mediaType === "application/vnd.oci.image.config.v1+json" ||
  mediaType === "application/vnd.docker.container.image.v1+json"

/** Reads the config of an image. Returns `undefined` for an artifact without one. */
export const config = (
  connection: Connection,
  repository: RepositoryName,
  document: Manifest.Document | undefined
): Effect.Effect<imageConfig.ImageConfig | undefined, RegistryError.RegistryError> =>
  document?._tag === "Image" && isImageConfig(document.config)
    ? Effect.map(
      blob(connection, repository, document.config.digest, maxConfig),
      (bytes) => imageConfig.make(json.parse(bytes))
    )
    : Effect.succeed(undefined)

/** Returns whether a platform is one that programs run on. Attestations have the platform `unknown/unknown`. */
export const isRunnable = ({ platform }: Descriptor): boolean => platform !== undefined && platform.os !== "unknown"

const createdAnnotation = "org.opencontainers.image.created"

/** Returns when an image, or the first image of an index, was made. */
export const created = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest
): Effect.Effect<string | undefined, RegistryError.RegistryError> =>
  Effect.flatMap(manifest(connection, repository, digest), ({ document }) => {
    if (document === undefined || document._tag === "Unknown") return Effect.succeed(undefined)
    const annotated = document.annotations?.[createdAnnotation]
    if (annotated !== undefined) return Effect.succeed(annotated)
    if (document._tag !== "Index") {
      return Effect.map(config(connection, repository, document), (found) => found?.created)
    }
    const first = document.manifests.find(isRunnable)
    return first === undefined
      ? Effect.succeed(undefined)
      : Effect.flatMap(
        manifest(connection, repository, first.digest),
        (child) => Effect.map(config(connection, repository, child.document), (found) => found?.created)
      )
  })
