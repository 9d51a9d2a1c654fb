/** Where a registry keeps its content: in a directory, or in a database and S3. */
import type { Registry } from "@effect-oci/core"
import * as Settings from "@effect-oci/daemon/Settings"
import * as Durable from "@effect-oci/durable/Durable"
import type * as BlobStore from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Store from "@effect-oci/store/Store"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { Refused } from "./refused.js"

type Stores = BlobStore.BlobStore | MetadataStore.MetadataStore

/** A failure to open the content of a registry. */
interface OpenError {
  readonly message: string
}

/** What holds the bytes of a blob, in each kind of place. */
export const holders = { directory: "file", cluster: "object" } as const

export interface Place {
  readonly kind: keyof typeof holders
  /** The stores, for reading only. */
  readonly reader: Layer.Layer<Stores, OpenError>
  readonly writer: Layer.Layer<Stores, OpenError>
  readonly registry: Layer.Layer<Registry | Stores, OpenError>
}

/** Opens the content of a registry that exists. Only an import creates a registry. */
const existing = <A, E, R>(directory: string, layer: Layer.Layer<A, E, R>) =>
  Layer.flatMap(Layer.effectDiscard(registryIn(directory)), () => layer)

/** Fails if a directory has no registry. The stores would create one there. */
export const registryIn = (directory: string): Effect.Effect<void, Refused> =>
  Effect.suspend(() =>
    existsSync(join(directory, "metadata.db"))
      ? Effect.void
      : new Refused({
        message: `cannot open the registry in ${directory}: there is no file ${join(directory, "metadata.db")}; ` +
          "name the directory of a registry"
      })
  )

const inDirectory = (directory: string): Place => ({
  kind: "directory",
  reader: existing(directory, Durable.layerReader({ directory })),
  writer: existing(directory, Durable.layerStores({ directory })),
  registry: existing(directory, Durable.layer({ directory }))
})

/** Opens the stores of a cluster. Their code is loaded only then. */
const inCluster = (file: string) =>
  Effect.gen(function*() {
    const { Clustered } = yield* Effect.promise(() => import("@effect-oci/clustered"))
    const settings = yield* Settings.read(Clustered.tables, { environment: process.env, file, otherTables: true })
    const stores: Layer.Layer<Stores, OpenError> = Clustered.layerStores(settings)
    const place: Place = {
      kind: "cluster",
      reader: stores,
      writer: stores,
      registry: Layer.provideMerge(Store.layer(), stores)
    }
    return place
  })

const isFile = (path: string) => existsSync(path) && !statSync(path).isDirectory()

/** Returns the place that a path names: the directory of a registry, or the file with the settings of a cluster. */
export const at = (path: string): Effect.Effect<Place, OpenError, FileSystem> =>
  Effect.suspend(() => isFile(path) ? inCluster(path) : Effect.succeed(inDirectory(path)))

/** The same for an import, which creates the directory. */
export const created = (path: string): Effect.Effect<Place["registry"], OpenError, FileSystem> =>
  Effect.map(at(path), (place) => place.kind === "directory" ? Durable.layer({ directory: path }) : place.registry)

const ownFiles = /^(metadata\.db(-wal|-shm)?|lock\.db(-journal|-wal|-shm)?|blobs|uploads)$/

/** Returns the names of what else is in the directory of a registry, such as the keys of the program that serves it. */
export const otherFilesIn = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory).filter((name) => !ownFiles.test(name)).sort()
