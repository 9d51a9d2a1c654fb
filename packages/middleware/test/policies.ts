import { Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as NodeKeyValueStore from "@effect/platform-node/NodeKeyValueStore"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { Effect, Layer, TestServices } from "effect"

export const repository = RepositoryName.make("team/app")
export const v1 = Tag.make("v1")
export const latest = Tag.make("latest")

const text = (content: object) => new TextEncoder().encode(JSON.stringify(content))

/** An index, which is different for each title. It contains the given manifests. */
export const index = (title: string, manifests: ReadonlyArray<Descriptor.Descriptor> = []) => {
  const bytes = text({ schemaVersion: 2, mediaType: MediaType.index, manifests, annotations: { title } })
  const digest = Digest.fromBytes(bytes)
  return { bytes, digest, descriptor: { mediaType: MediaType.index, digest, size: bytes.byteLength } }
}

/** Pushes an index into the registry in the context. */
export const push = ({ bytes }: ReturnType<typeof index>, ...tags: ReadonlyArray<Tag.Tag>) =>
  Effect.flatMap(Registry, (registry) => registry.pushManifest(repository, { mediaType: MediaType.index, bytes, tags }))

/** Runs an effect with an empty registry in memory. The store's own work has a real clock, so that days pass quickly. */
export const inMemory = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Registry>> =>
  Effect.scoped(Effect.flatMap(
    TestServices.provideLive(Layer.build(Memory.layer())),
    (context) => Effect.provide(effect, context)
  )) as never

/** Opens a store of records in a directory, as a process does after a restart. */
export const inDirectory = (directory: string) =>
  Effect.provide(KeyValueStore.KeyValueStore, NodeKeyValueStore.layerFileSystem(directory))
