import type * as Duration from "effect/Duration"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"

/** Where a registry keeps what it has. */
export interface Stores {
  readonly blobs: BlobStore.Service
  readonly metadata: MetadataStore.Service
}

/** What a registry is told to do, all of it decided. */
export interface Settings {
  readonly maxManifestSize: number
  readonly sparseIndexes: boolean
  readonly sparseManifests: boolean
  readonly anonymousMount: boolean
  readonly uploadTimeToLive: Duration.Duration
  readonly uploadLimits: MetadataStore.UploadLimits
}
