import type * as Duration from "effect/Duration"
import type * as BlobStore from "../BlobStore.js"
import type * as MetadataStore from "../MetadataStore.js"

/** The two stores of a registry. */
export interface Stores {
  readonly blobs: BlobStore.Service
  readonly metadata: MetadataStore.Service
}

/** The options of a registry, with all defaults filled in. */
export interface Settings {
  readonly maxManifestSize: number
  readonly sparseIndexes: boolean
  readonly sparseManifests: boolean
  readonly anonymousMount: boolean
  readonly uploadTimeToLive: Duration.Duration
  readonly uploadLimits: MetadataStore.UploadLimits
  readonly deleteReferenced: boolean
  readonly policy: MetadataStore.ReviewPolicy
}
