import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Manifest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Handler, Middleware, Operation } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { Context, Effect, Either, Layer } from "effect"

export const app = RepositoryName.make("team/app")
export const copyOf = RepositoryName.make("mirror/app")
export const v1 = Tag.make("v1")

/** Creates a registry in memory, and records its operations. */
export const recorded = (options?: Memory.Options & { readonly wrap?: Middleware.Middleware }) =>
  Effect.map(Layer.build(Memory.layer(options)), (context) => {
    const received: Array<Operation.Operation> = []
    const wrapped = (options?.wrap ?? ((next) => next))(Context.get(context, Registry).handle)
    const handle: Handler.Handler = (operation) => {
      received.push(operation)
      return wrapped(operation)
    }
    return {
      registry: Registry.fromHandler(handle),
      received,
      /** Returns how often each operation was called since the last time. */
      counts: () => {
        const counts: { [tag: string]: number } = {}
        for (const { _tag } of received.splice(0)) counts[_tag] = (counts[_tag] ?? 0) + 1
        return counts
      }
    }
  })

export const pushBlob = (registry: Registry["Type"], content: string | Uint8Array, mediaType = MediaType.layer) => {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
  const descriptor = Descriptor.fromBytes(bytes, mediaType)
  return Effect.as(registry.pushBlob(app, descriptor, Body.bytes(bytes)), descriptor)
}

export const pushDocument = (
  registry: Registry["Type"],
  mediaType: string,
  fields: object,
  tags: ReadonlyArray<Tag.Tag> = []
) => {
  const manifest = Fixtures.document(mediaType, fields)
  const { descriptor } = Either.getOrThrow(Manifest.make(manifest))
  return Effect.as(registry.pushManifest(app, { ...manifest, tags }), descriptor)
}

/** Pushes an image with a config and layers of the given contents. */
export const pushImage = (
  registry: Registry["Type"],
  layers: ReadonlyArray<string | Uint8Array>,
  more: object = {},
  tags: ReadonlyArray<Tag.Tag> = []
) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(
      registry,
      JSON.stringify({ os: "linux", layers: layers.length }),
      MediaType.imageConfig
    )
    const pushed = yield* Effect.forEach(layers, (layer) => pushBlob(registry, layer))
    return yield* pushDocument(registry, MediaType.image, { config, layers: pushed, ...more }, tags)
  })

export const pushIndex = (
  registry: Registry["Type"],
  entries: ReadonlyArray<Descriptor.Descriptor>,
  more: object = {},
  tags: ReadonlyArray<Tag.Tag> = []
) => pushDocument(registry, MediaType.index, { manifests: entries, ...more }, tags)

export const on = (descriptor: Descriptor.Descriptor, platform: string): Descriptor.Descriptor => {
  const [os = "", architecture = "", variant] = platform.split("/")
  return { ...descriptor, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }
}

/** Pushes an artifact that refers to a manifest. */
export const pushReferrer = (registry: Registry["Type"], subject: Descriptor.Descriptor, type: string) =>
  Effect.gen(function*() {
    const empty = yield* pushBlob(registry, "{}", MediaType.empty)
    return yield* pushDocument(registry, MediaType.image, {
      artifactType: type,
      config: empty,
      layers: [yield* pushBlob(registry, `${type} of ${subject.digest}`, "text/plain")],
      subject
    })
  })
