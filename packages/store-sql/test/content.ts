import { Digest, Manifest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { BlobKey } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import { Duration, Either } from "effect"

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/other")
export const v1 = Tag.make("v1")
export const keep = Duration.hours(1)
export const limits = { total: 100, perCaller: 100, perRepository: 100 }

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
export const digestOf = (value: string): Digest.Digest => Digest.fromBytes(text(value))

export const link = (name: string) => ({
  repository,
  digest: digestOf(name),
  size: 3,
  key: BlobKey(`key-${name}`),
  keep
})

/** A manifest that refers to blobs, and a push of it. */
export const push = (
  name: string,
  blobs: ReadonlyArray<string>,
  more: Partial<MetadataStore.PutManifest> = {}
): MetadataStore.PutManifest => ({
  repository,
  manifest: Either.getOrThrow(Manifest.make({ mediaType: MediaType.image, bytes: text(`{"name":"${name}"}`) })),
  references: blobs.map((blob) => ({ digest: digestOf(blob), kind: "blob", required: true })),
  listedAs: undefined,
  tags: [v1],
  ifAbsent: false,
  ifMatch: undefined,
  keep,
  ...more
})

export const upload = (id: string): MetadataStore.NewUpload => ({
  id,
  repository,
  owner: "alice",
  caller: "user alice",
  key: BlobKey(`key-${id}`),
  algorithm: "sha256"
})
