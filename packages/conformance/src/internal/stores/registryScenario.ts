import * as Body from "@effect-oci/core/Body"
import * as Descriptor from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { bytesOf, document } from "../../Fixtures.js"
import { readBody } from "./blobBytes.js"
import { bytes, v1, v2 } from "./samples.js"
import { equal, returns } from "./subject.js"

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
  returns(
    Effect.scoped(
      Effect.flatMap(registry.getBlob(from, Descriptor.fromBytes(content).digest), ({ body }) => readBody(body))
    ),
    content
  )

/** Returns the manifest of an image of a config and a layer. */
export const imageOf = (config: Uint8Array, layer: Uint8Array) =>
  document(MediaType.image, {
    config: Descriptor.fromBytes(config, MediaType.imageConfig),
    layers: [Descriptor.fromBytes(layer, MediaType.layer)]
  })

/** Succeeds also if there was nothing to delete. */
const deleted = (effect: Effect.Effect<unknown, RegistryError>) =>
  Effect.catchIf(effect, ({ _tag }) => _tag.endsWith("Unknown"), () => Effect.void)

/** A step, and an effect that fails if the step has not taken effect. */
type Step = readonly [run: Effect.Effect<unknown, RegistryError>, holds: Effect.Effect<unknown, unknown>]

/** Pushes an image to which a tag moves, and deletes the index and the blob that were there before. */
export const scenario = (registry: Registry.Service, name: RepositoryName, chunk: number) => {
  const [config, blob, layer] = [
    bytesOf(`config ${name}`),
    bytesOf(`blob ${name}`),
    Body.concatBytes([bytes(chunk), bytesOf(name)])
  ]
  const [index, image] = [bytesOf(`{"manifests":[],"annotations":{"of":"${name}"}}`), imageOf(config, layer)]
  const [indexDigest, blobDigest, imageDigest] = [index, blob, image.bytes].map((content) =>
    Descriptor.fromBytes(content).digest
  )
  const pointsAt = (tag: typeof v1, digest: typeof imageDigest) =>
    Effect.flatMap(registry.resolveManifest(name, tag), (found) => equal(found.digest, digest))
  const pulls = Effect.zipRight(pullsBlob(registry, name, config), pullsBlob(registry, name, layer))
  const steps: ReadonlyArray<Step> = [
    [pushBlob(registry, name, config), pullsBlob(registry, name, config)],
    [pushBlob(registry, name, layer, chunk), pullsBlob(registry, name, layer)],
    [
      registry.pushManifest(name, { ...image, tags: [v1, v2] }),
      Effect.all([pointsAt(v1, imageDigest), pointsAt(v2, imageDigest)])
    ],
    [deleted(registry.deleteManifest(name, indexDigest!)), Effect.flip(registry.resolveManifest(name, indexDigest!))],
    [deleted(registry.deleteBlob(name, blobDigest!)), Effect.flip(registry.resolveBlob(name, blobDigest!))]
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
