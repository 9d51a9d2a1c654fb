import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { bytes, join, v1, v2 } from "./samples.js"
import { equal, fails, returns } from "./subject.js"

export const text = (content: string): Uint8Array => new TextEncoder().encode(content)

/** Pushes a blob in one request, or in two chunks. */
export const pushBlob = (registry: Registry.Service, to: RepositoryName, content: Uint8Array, at = 0) =>
  Effect.gen(function*() {
    const descriptor = Descriptor.fromBytes(content)
    if (at === 0) return yield* registry.pushBlob(to, descriptor, Body.bytes(content))
    const { id } = yield* registry.startUpload(to)
    yield* registry.appendUpload(to, id, Body.bytes(content.subarray(0, at)))
    return yield* registry.completeUpload(to, id, descriptor.digest, { body: Body.bytes(content.subarray(at)) })
  })

/** Expects that a repository returns a blob. */
export const pullsBlob = (registry: Registry.Service, from: RepositoryName, content: Uint8Array) =>
  Effect.flatMap(
    registry.getBlob(from, Descriptor.fromBytes(content).digest),
    ({ body }) =>
      returns(Body.toBytes(body, { limit: Infinity, onLimit: () => new Error("unlimited") as never }), content)
  ).pipe(
    Effect.scoped
  )

/** Returns the manifest of an image of a config and a layer. */
export const imageOf = (config: Uint8Array, layer: Uint8Array) => ({
  mediaType: MediaType.image,
  bytes: text(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.image,
    config: Descriptor.fromBytes(config, MediaType.imageConfig),
    layers: [Descriptor.fromBytes(layer, MediaType.layer)]
  }))
})

/** Expects that a tag or a digest is unknown. Succeeds with `undefined`, also for a delete. */
const isUnknown = (effect: Effect.Effect<unknown, RegistryError>) =>
  Effect.mapError(effect, ({ _tag }) => _tag === "ManifestUnknown" || _tag === "BlobUnknown" ? "unknown" : _tag)

interface Step {
  readonly run: Effect.Effect<unknown, RegistryError>
  /** Fails if the step has not taken effect. */
  readonly holds: Effect.Effect<unknown, unknown>
}

/** Pushes an image to which a tag moves, and deletes the index and the blob that were there before. */
export const scenario = (registry: Registry.Service, name: RepositoryName, chunk: number) => {
  const [config, blob, layer] = [text(`config ${name}`), text(`blob ${name}`), join([bytes(chunk), text(name)])]
  const [blobDigest, index] = [
    Descriptor.fromBytes(blob).digest,
    text(`{"manifests":[],"annotations":{"of":"${name}"}}`)
  ]
  const [indexDigest, image] = [Descriptor.fromBytes(index).digest, imageOf(config, layer)]
  const pointsAt = (tag: typeof v1, digest: typeof indexDigest) =>
    Effect.flatMap(registry.resolveManifest(name, tag), (found) => equal(found.digest, digest))
  const imageDigest = Descriptor.fromBytes(image.bytes).digest
  const pulls = Effect.zipRight(pullsBlob(registry, name, config), pullsBlob(registry, name, layer))
  const steps: ReadonlyArray<Step> = [
    { run: pushBlob(registry, name, config), holds: pullsBlob(registry, name, config) },
    { run: pushBlob(registry, name, layer, chunk), holds: pullsBlob(registry, name, layer) },
    {
      run: registry.pushManifest(name, { ...image, tags: [v1, v2] }),
      holds: Effect.all([pointsAt(v1, imageDigest), pointsAt(v2, imageDigest), pulls])
    },
    {
      run: Effect.catchTag(registry.deleteManifest(name, indexDigest), "ManifestUnknown", () => Effect.void),
      holds: fails(isUnknown(registry.resolveManifest(name, indexDigest)), "unknown")
    },
    {
      run: Effect.catchTag(registry.deleteBlob(name, blobDigest), "BlobUnknown", () => Effect.void),
      holds: fails(isUnknown(registry.resolveBlob(name, blobDigest)), "unknown")
    }
  ]
  return {
    prepare: Effect.zipRight(
      pushBlob(registry, name, blob),
      registry.pushManifest(name, { mediaType: MediaType.index, bytes: index, tags: [v1] })
    ),
    steps,
    /** Expects that the tag points at the image or at the index. The image is then complete. */
    isWhole: Effect.orElse(pointsAt(v1, indexDigest), () => Effect.zipRight(pointsAt(v1, imageDigest), pulls))
  }
}
