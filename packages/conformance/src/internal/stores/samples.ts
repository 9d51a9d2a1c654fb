import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as BlobStore from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { bytesOf } from "../../Fixtures.js"

/** Content, keys and digests for the checks of stores. */

/** Returns the n-th key, in ascending order: a UUID of version 7. */
export const key = (n: number): BlobStore.BlobKey => {
  const time = n.toString(16).padStart(12, "0")
  return BlobStore.BlobKey(`${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`)
}

/** Returns sample bytes. Bytes with another seed differ at every position. */
export const bytes = (length: number, seed = 0): Uint8Array => {
  const content = new Uint8Array(length)
  for (let n = 0; n < length; n++) content[n] = (n + seed) % 251
  return content
}

/** Returns the digest of the n-th sample blob, which has `n` bytes. */
export const digest = (n: number, seed?: number): Digest.Digest => Digest.fromBytes(bytes(n, seed))

/** Returns the numbers from 0 to `n - 1`. */
export const upTo = (n: number): ReadonlyArray<number> => Array.from({ length: n }, (_, at) => at)

export const repository = RepositoryName.make("team/app")
export const other = RepositoryName.make("team/other")
export const unknown = RepositoryName.make("team/unknown")
export const [v1, v2] = [Tag.make("v1"), Tag.make("v2")]

/** A lease that does not end within a check. */
export const long = Duration.days(1000)

/** Adds the n-th blob to a repository, with the n-th key. */
export const link = (n: number, fields: Partial<Link> = {}): Link => ({
  repository,
  digest: digest(n),
  size: n,
  key: key(n),
  keep: long,
  ...fields
})

type Link = Parameters<MetadataStore.Service["linkBlob"]>[0]

/** The n-th blob as it is stored, by default with the n-th key. */
export const blob = (n: number, at = n): MetadataStore.StoredBlob => ({
  descriptor: { mediaType: Descriptor.octetStream, digest: digest(n), size: n },
  key: key(at)
})

/** Returns the n-th manifest. */
export const manifest = (n: number, mediaType: string = MediaType.index): Manifest.Manifest =>
  Either.getOrThrow(Manifest.make({ mediaType, bytes: bytesOf(`{"n":${n}}`) }))

export const manifestDigest = (n: number): Digest.Digest => manifest(n).descriptor.digest

/** Stores the n-th manifest, by default without tags and references. */
export const put = (n: number, fields: Partial<MetadataStore.PutManifest> = {}): MetadataStore.PutManifest => ({
  repository,
  manifest: manifest(n),
  references: [],
  listedAs: undefined,
  tags: [],
  ifAbsent: false,
  ifMatch: undefined,
  keep: long,
  ...fields
})

export const refers = (
  kind: MetadataStore.Reference["kind"],
  to: Digest.Digest,
  required = kind !== "subject"
): MetadataStore.Reference => ({ digest: to, kind, required })

/** A manifest that refers to a subject, by default without an artifact type. */
export const referrer = (n: number, subject: Digest.Digest, artifactType = "application/vnd.example") =>
  put(n, { references: [refers("subject", subject)], listedAs: { ...manifest(n).descriptor, artifactType } })

/** The n-th upload session. */
export const upload = (n: number, fields: Partial<MetadataStore.NewUpload> = {}): MetadataStore.NewUpload => ({
  id: `upload-${n}`,
  repository,
  owner: undefined,
  caller: "anonymous",
  key: key(n),
  algorithm: "sha256",
  ...fields
})

export const limits: MetadataStore.UploadLimits = { total: 1000, perCaller: 1000, perRepository: 1000 }

/** Removes the n-th blob from a repository. */
export const unlink = (n: number, fields: Partial<Parameters<MetadataStore.Service["unlinkBlob"]>[0]> = {}) => ({
  repository,
  digest: digest(n),
  evenIfReferenced: false,
  readable: Duration.zero,
  ...fields
})

/** The garbage of bytes without an upload in the blob store. */
export const garbage = (n: number): MetadataStore.Garbage => ({ key: key(n), token: undefined })
