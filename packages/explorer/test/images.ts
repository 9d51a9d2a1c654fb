/** Images for tests of the page. */
import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Registry } from "@effect-oci/core/Registry"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import { Effect } from "effect"
import { packTar } from "modern-tar"
import { gzipSync } from "node:zlib"

export interface Layer {
  readonly mediaType?: string | undefined
  readonly bytes: Uint8Array
  readonly annotations?: { readonly [name: string]: string } | undefined
}

export interface Image {
  readonly layers: ReadonlyArray<Layer>
  /** The config of a container image. Default: none, as for an artifact. */
  readonly config?: object | undefined
  readonly artifactType?: string | undefined
  readonly annotations?: { readonly [name: string]: string } | undefined
  readonly subject?: Descriptor.Descriptor | undefined
}

export const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))

/** Creates a layer of files, compressed with gzip. */
export const files = (contents: { readonly [path: string]: string | Uint8Array }): Effect.Effect<Layer> =>
  Effect.promise(async () => ({
    mediaType: MediaType.layerGzip,
    bytes: gzipSync(
      await packTar(
        Object.entries(contents).map(([name, body]) => ({
          header: { name, size: Buffer.byteLength(body), type: "file", mtime: new Date(0) },
          body
        }))
      )
    )
  }))

/** Pushes an image under some tags, and returns its descriptor. */
export const push = (
  registry: Registry.Service,
  repository: RepositoryName,
  image: Image,
  ...tags: ReadonlyArray<Tag>
): Effect.Effect<Descriptor.Descriptor> =>
  Effect.gen(function*() {
    const blob = ({ annotations, bytes, mediaType }: Layer) => {
      const descriptor = Descriptor.fromBytes(bytes, mediaType)
      return Effect.as(
        registry.pushBlob(repository, descriptor, Body.bytes(bytes)),
        annotations === undefined ? descriptor : { ...descriptor, annotations }
      )
    }
    const config = yield* blob(
      image.config === undefined
        ? { mediaType: MediaType.empty, bytes: encode({}) }
        : { mediaType: MediaType.imageConfig, bytes: encode(image.config) }
    )
    const layers = yield* Effect.forEach(image.layers, blob)
    const { annotations, artifactType, subject } = image
    const bytes = encode({
      schemaVersion: 2,
      mediaType: MediaType.image,
      artifactType,
      config,
      layers,
      subject: subject && { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      annotations
    })
    return yield* registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags })
  }).pipe(Effect.orDie)
