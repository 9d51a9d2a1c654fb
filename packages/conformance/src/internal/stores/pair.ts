import { Registry } from "@effect-oci/core/Registry"
import { BlobStore } from "@effect-oci/store/BlobStore"
import type * as Blobs from "@effect-oci/store/BlobStore"
import { MetadataStore } from "@effect-oci/store/MetadataStore"
import type * as Metadata from "@effect-oci/store/MetadataStore"
import * as Store from "@effect-oci/store/Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { upTo } from "./samples.js"
import { makeCheck } from "./subject.js"
import type { Subject } from "./subject.js"

/** The two stores under test. */
export interface Stores {
  readonly blobs: Blobs.Service
  readonly metadata: Metadata.Service
}

export const pairCheck = makeCheck<BlobStore | MetadataStore, Stores>((get) => ({
  blobs: get(BlobStore),
  metadata: get(MetadataStore)
}))

/** How long content is kept although nothing refers to it, in units. */
export const grace = 20

const registryOf = ({ blobs, metadata }: Stores, { units }: Subject): Layer.Layer<Registry> =>
  Store.layer({ grace: units(grace), uploadTimeToLive: units(60), untagged: "delete" }).pipe(
    Layer.provide(Layer.succeedContext(Context.make(BlobStore, blobs).pipe(Context.add(MetadataStore, metadata)))),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

/** Runs a program with a registry over two stores. The registry stops at the end, as if its process ended. */
export const running = <A, E>(
  stores: Stores,
  subject: Subject,
  program: (registry: Registry.Service) => Effect.Effect<A, E>
) => Effect.provide(Effect.flatMap(Registry, program), registryOf(stores, subject))

/** Runs a program with several registries over the same two stores, as the nodes of a cluster. */
export const withNodes = <A, E>(
  stores: Stores,
  subject: Subject,
  count: number,
  program: (nodes: ReadonlyArray<Registry.Service>) => Effect.Effect<A, E>
) =>
  Effect.forEach(upTo(count), () => Layer.build(Layer.fresh(registryOf(stores, subject)))).pipe(
    Effect.flatMap((nodes) => program(nodes.map((node) => Context.get(node, Registry)))),
    Effect.scoped
  )
