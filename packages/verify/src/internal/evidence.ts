import { Body, Manifest, MediaType, printable, RegistryError, Tag } from "@effect-oci/core"
import type { Descriptor, Digest, Operation, Registry, RepositoryName } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Requirement from "../Requirement.js"
import { mediaTypes } from "../Sbom.js"
import { bundles, dsseEnvelope, inToto, simpleSigning } from "./bundle.js"
import { unreadable } from "./unreadable.js"

type Error = RegistryError.RegistryError

/** The limits of one verification. */
export interface Limits {
  readonly maxSignatures: number
  readonly maxBytes: number
}

/** Where the artifacts are. */
export interface Source {
  readonly registry: Registry["Type"]
  readonly repository: RepositoryName.RepositoryName
}

/** How many referrers of any type are listed. */
const maxReferrers = 1000

/** How many artifacts are read at the same time. */
const concurrency = 4

type Found = Requirement.Artifact | { readonly finding: Requirement.Finding } | { readonly failure: Error }

/** The referrers of a subject, or why they are not known. */
interface Referrers extends Omit<Requirement.Attached, "artifacts"> {
  readonly descriptors: ReadonlyArray<Descriptor.Descriptor>
}

const none: Referrers = { descriptors: [], findings: [], failure: undefined }

const listed = ({ registry, repository }: Source, digest: Digest.Digest): Effect.Effect<Referrers> =>
  Effect.match(Stream.runCollect(Stream.take(registry.listReferrers(repository, digest), maxReferrers)), {
    onSuccess: (descriptors) => ({ ...none, descriptors: Chunk.toReadonlyArray(descriptors) }),
    onFailure: (error) => {
      if (RegistryError.isNotFound(error)) return none
      return RegistryError.isTransient(error)
        ? { ...none, failure: error }
        : { ...none, findings: [{ artifact: "the list of referrers", problem: unreadable(error) }] }
    }
  })

/** Returns an artifact from its manifest. A referrer must refer to the subject. */
const artifact = (name: string, subject: Digest.Digest | undefined, manifest: Manifest.Manifest): Found => {
  const { bytes, descriptor } = manifest
  const finding = (problem: string): Found => ({ finding: { artifact: name, problem } })
  const parsed = Manifest.parse({ mediaType: descriptor.mediaType, bytes })
  if (Either.isLeft(parsed)) return finding(`is malformed: ${RegistryError.reason(parsed.left)}`)
  const document = parsed.right
  if (document._tag === "Index" || document._tag === "Unknown") {
    return finding(`has the media type ${printable(descriptor.mediaType, 80)}, which contains no signatures`)
  }
  if (subject !== undefined && document.subject?.digest !== subject) return finding("refers to another manifest")
  return {
    name,
    digest: descriptor.digest,
    artifactType: Manifest.artifactType(document),
    layers: document._tag === "Image" ? document.layers : document.blobs
  }
}

/** Returns the tag that cosign makes from a digest, if such a tag is possible. */
const tagOf = (digest: Digest.Digest, ending: string): Tag.Tag | undefined => {
  const tag = `${digest.replace(":", "-")}.${ending}`
  return Tag.is(tag) ? tag : undefined
}

/** Creates the evidence about a subject. `content` reads the subject. */
export const make = (
  source: Source,
  subject: Descriptor.Descriptor,
  content: Effect.Effect<Uint8Array, Error>,
  { maxBytes, maxSignatures }: Limits
): Effect.Effect<Requirement.Evidence> =>
  Effect.gen(function*() {
    const { registry, repository } = source
    const referrers = yield* Effect.cached(listed(source, subject.digest))
    const bytesOf = yield* Effect.cached(content)
    let reads = 0
    let bytesLeft = maxBytes

    const take = (bytes: Uint8Array) => {
      bytesLeft -= bytes.byteLength
      return bytes
    }
    const tooMuch = () =>
      new Requirement.EvidenceRejected({
        reason: `is not read: more than ${maxBytes} bytes were found; raise \`maxBytes\``
      })

    const manifest = yield* Effect.cachedFunction((reference: Operation.TagOrDigest) =>
      Effect.tap(registry.getManifest(repository, reference), ({ bytes }) => Effect.sync(() => take(bytes)))
    )
    const read = yield* Effect.cachedFunction((digest: Digest.Digest) =>
      Effect.suspend(() =>
        ++reads > maxSignatures
          ? Effect.fail(
            new Requirement.EvidenceRejected({
              reason: `is not read: more than ${maxSignatures} signatures were found; raise \`maxSignatures\``
            })
          )
          : registry.getBlob(repository, digest).pipe(
            Effect.flatMap(({ body }) => Body.toBytes(body, { limit: Math.max(0, bytesLeft), onLimit: tooMuch })),
            Effect.map(take),
            Effect.scoped
          )
      )
    )

    const find = (reference: Operation.TagOrDigest, of: Digest.Digest | undefined) =>
      Effect.match(manifest(reference), {
        onSuccess: (found): Found => artifact(reference, of, found),
        onFailure: (error): Found | undefined => {
          if (of === undefined && RegistryError.isNotFound(error)) return undefined
          return RegistryError.isTransient(error)
            ? { failure: error }
            : { finding: { artifact: reference, problem: unreadable(error) } }
        }
      })

    const attached = ({ artifactTypes, endings }: Requirement.Kinds) =>
      Effect.gen(function*() {
        const list = yield* referrers
        const wanted = list.descriptors.filter(({ artifactType }) =>
          artifactType === undefined || artifactTypes.includes(MediaType.essence(artifactType))
        )
        const read = [
          ...endings.flatMap((ending) => tagOf(subject.digest, ending) ?? []).map((tag) => find(tag, undefined)),
          ...wanted.slice(0, maxSignatures).map(({ digest }) => find(digest, subject.digest))
        ]
        const found = (yield* Effect.all(read, { concurrency })).filter((each) => each !== undefined)
        const findings = [...list.findings, ...found.flatMap((each) => "finding" in each ? [each.finding] : [])]
        if (wanted.length > maxSignatures) {
          findings.push({
            artifact: `${wanted.length - maxSignatures} more referrers`,
            problem: "are not read; raise `maxSignatures`"
          })
        }
        return {
          artifacts: found.flatMap((each) => "layers" in each ? [each] : []),
          findings,
          failure: list.failure ?? found.flatMap((each) => "failure" in each ? [each.failure] : [])[0]
        }
      })

    return { subject, content: bytesOf, attached, read }
  })

/** The media types of layers that are signatures, attestations or SBOMs. */
export const attachments: ReadonlyArray<string> = [
  ...bundles,
  simpleSigning,
  dsseEnvelope,
  inToto,
  "application/jose+json",
  "application/cose",
  ...mediaTypes
]

/** Returns whether a manifest has only layers of some types, and at least one. */
export const isAttachment = (manifest: Manifest.Manifest, types: ReadonlyArray<string>): boolean => {
  const parsed = Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes })
  if (Either.isLeft(parsed) || (parsed.right._tag !== "Image" && parsed.right._tag !== "Artifact")) return false
  const layers = parsed.right._tag === "Image" ? parsed.right.layers : parsed.right.blobs
  return layers.length > 0 && layers.every(({ mediaType }) => types.includes(MediaType.essence(mediaType)))
}
