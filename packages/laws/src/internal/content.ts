import type * as Body from "@effect-oci/core/Body"
import type * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as world from "../SampleWorld.js"

/** The facts about the sample content. They are written by hand, not parsed from the content. */

const digests = new WeakMap<Uint8Array, Digest.Digest>()

/** Returns the digest of constant bytes, computed once. */
export const digestOf = (bytes: Uint8Array): Digest.Digest => {
  const known = digests.get(bytes)
  if (known !== undefined) return known
  const digest = Digest.fromBytes(bytes)
  digests.set(bytes, digest)
  return digest
}

const sha512s = new WeakMap<Uint8Array, Digest.Digest>()

/** Returns the sha512 digest of constant bytes, computed once. */
export const sha512Of = (bytes: Uint8Array): Digest.Digest => {
  const known = sha512s.get(bytes) ?? Digest.fromBytes(bytes, "sha512")
  sha512s.set(bytes, known)
  return known
}

/** A document without `mediaType`. Its type is the one of its first push. */
const untyped = new TextEncoder().encode(JSON.stringify({ typed: "by its push" }))

/** The manifests that are pushed: the sample manifests, and one document with two types. */
export const pushed: ReadonlyArray<{ readonly mediaType: string; readonly bytes: Uint8Array }> = [
  ...world.manifests,
  ...["application/vnd.example.one+json", "application/vnd.example.two+json"].map((mediaType) => ({
    mediaType,
    bytes: untyped
  }))
]

const blobs = new Map(world.blobs.map((bytes) => [digestOf(bytes), bytes]))

export const blob = (digest: Digest.Digest): Uint8Array => blobs.get(digest)!

interface Manifest {
  readonly bytes: Uint8Array
  readonly descriptor: Descriptor.Descriptor
  /** Why a registry refuses the manifest. A client refuses an ambiguous manifest before it sends it. */
  readonly problem: "ambiguous" | "malformed" | undefined
  /** The blobs that must exist in the repository. */
  readonly blobs: ReadonlyArray<Digest.Digest>
  /** The manifests that an index lists. */
  readonly children: ReadonlyArray<Digest.Digest>
  readonly subject: Digest.Digest | undefined
  /** The descriptor of the manifest in a list of referrers. */
  readonly referrer: Descriptor.Descriptor
}

const manifestDigests = world.manifests.map(({ bytes }) => digestOf(bytes))
const blobDigests = world.blobs.map(digestOf)

/** In the order of the samples: a small image, a large image, an index of both, a signature of the small image, … */
const facts: ReadonlyArray<{
  readonly blobs?: ReadonlyArray<number>
  readonly children?: ReadonlyArray<number>
  readonly subject?: number
  readonly referrer?: Partial<Descriptor.Descriptor>
  readonly problem?: "ambiguous" | "malformed"
}> = [
  { blobs: [0, 1] },
  { blobs: [0, 2] },
  { children: [0, 1] },
  { blobs: [0], subject: 0, referrer: { artifactType: world.artifactType } },
  { subject: 1, referrer: { annotations: { "org.example.of": "large" } } },
  {},
  { problem: "ambiguous" },
  { problem: "malformed" }
]

/** The facts about each manifest, by its digest with either algorithm. */
const manifests = new Map(
  pushed.flatMap(({ bytes, mediaType }, index) =>
    [digestOf(bytes), sha512Of(bytes)].map((digest): [Digest.Digest, Manifest] => {
      const { blobs = [], children = [], problem, referrer, subject } = facts[index] ?? {}
      const descriptor = { mediaType: MediaType.essence(mediaType), digest, size: bytes.byteLength }
      return [digest, {
        bytes,
        descriptor,
        problem,
        blobs: blobs.map((at) => blobDigests[at]!),
        children: children.map((at) => manifestDigests[at]!),
        subject: subject === undefined ? undefined : manifestDigests[subject],
        referrer: { ...descriptor, ...referrer }
      }]
    })
  )
)

export const manifest = (digest: Digest.Digest): Manifest => manifests.get(digest)!

/** Tests whether two digests belong to the same bytes. */
export const isSame = (one: Digest.Digest, other: Digest.Digest): boolean =>
  one === other || manifest(one).bytes === manifest(other).bytes

/** Returns the bytes of a body. All bodies of histories contain their bytes. */
export const bytesOf = (body: Body.Body | undefined): Uint8Array => body?.bytes ?? new Uint8Array(0)

export const joined = (before: Uint8Array, body: Body.Body | undefined): Uint8Array => {
  const more = bytesOf(body)
  const all = new Uint8Array(before.byteLength + more.byteLength)
  all.set(before)
  all.set(more, before.byteLength)
  return all
}
