/**
 * Histories: sequences of operations on a registry, and their results. If two registries return the same results for
 * every history, no client can distinguish them.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type * as ByteRange from "@effect-oci/core/ByteRange"
import * as Digest from "@effect-oci/core/Digest"
import * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Laws from "@effect-oci/laws/Laws"
import * as world from "@effect-oci/laws/SampleWorld"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

/**
 * One operation of a history. The numbers select from a few sample repositories, blobs, manifests and tags. A step uses
 * the fields that its operation needs and ignores the others.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly operation: Operation.OperationTag
  readonly repository: number
  readonly from: number | undefined
  readonly blob: number
  readonly manifest: number
  readonly tags: ReadonlyArray<number>
  /** Whether the operation refers to the manifest by its digest instead of by the first tag. */
  readonly byDigest: boolean
  readonly ifAbsent: boolean
  /** The manifest that the tags of a push must point at. */
  readonly ifMatch: number | undefined
  readonly range: ByteRange.ByteRange | undefined
  /** The upload session, counted back from the one that was opened last (0). */
  readonly upload: number
  /** The number of bytes of a chunk. */
  readonly chunk: number
  /** The offset that a chunk declares: the right one, a wrong one, or none. */
  readonly offset: "right" | "wrong" | "none"
  /** Whether the operation declares the digest of other content than it sends. */
  readonly wrongDigest: boolean
  readonly limit: number | undefined
}

/**
 * Generates steps, weighted so that most of them find existing content.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const step: fc.Arbitrary<Step> = fc.record({
  operation: fc.oneof(
    { arbitrary: fc.constantFrom<Operation.OperationTag>("PushBlob", "PushManifest"), weight: 6 },
    { arbitrary: fc.constantFrom(...world.operationTags), weight: 10 }
  ),
  repository: fc.nat(world.repositories.length - 1),
  from: fc.option(fc.nat(world.repositories.length - 1), { nil: undefined }),
  blob: fc.nat(world.blobs.length - 1),
  manifest: fc.nat(world.manifests.length - 1),
  tags: fc.array(fc.nat(world.tags.length - 1), { maxLength: 2 }),
  byDigest: fc.boolean(),
  ifAbsent: fc.boolean(),
  ifMatch: fc.option(fc.nat(world.manifests.length - 1), { nil: undefined, freq: 1 }),
  range: fc.option(
    fc.oneof(
      fc.record({ offset: fc.nat(12), length: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }) }),
      fc.record({ suffix: fc.integer({ min: 1, max: 20 }) })
    ),
    { nil: undefined }
  ),
  upload: fc.nat(1),
  chunk: fc.nat(2000),
  offset: fc.constantFrom("right", "right", "none", "wrong"),
  wrongDigest: fc.constantFrom(false, false, false, true),
  limit: fc.option(fc.nat(3), { nil: undefined })
})

/**
 * Generates histories of up to `maxLength` steps.
 *
 * @since 0.1.0
 * @category arbitraries
 */
export const history = (maxLength: number): fc.Arbitrary<ReadonlyArray<Step>> =>
  fc.array(step, { minLength: 1, maxLength, size: "max" })

interface OpenUpload extends Operation.Upload {
  readonly repository: RepositoryName
}

/**
 * Runs a history against a registry and returns the results.
 *
 * @since 0.1.0
 * @category running
 */
export const run = (history: ReadonlyArray<Step>): Effect.Effect<ReadonlyArray<Laws.Response>, never, Registry> =>
  Effect.flatMap(Registry, ({ handle }) => {
    const uploads: Array<OpenUpload> = []
    return Effect.forEach(history, (step) => {
      const at = uploads.length - 1 - Math.min(step.upload, Math.max(0, uploads.length - 1))
      const operation = toOperation(step, uploads[at])
      return Effect.map(Laws.perform(handle, operation), ({ response, upload }) => {
        if (upload !== undefined && "repository" in operation) {
          const open = { ...upload, repository: operation.repository }
          if ("id" in operation) uploads[at] = open
          else uploads.push(open)
        }
        return response
      })
    })
  })

const pick = <A>(from: ReadonlyArray<A>, index: number): A => from[index % from.length] as A

const toOperation = (step: Step, upload: OpenUpload | undefined): Operation.Operation => {
  const repository = pick(world.repositories, step.repository)
  const blob = pick(world.blobs, step.blob)
  const digest = Digest.fromBytes(blob)
  const manifest = pick(world.manifests, step.manifest)
  const manifestDigest = Digest.fromBytes(manifest.bytes)
  const tags = step.tags.map((tag) => pick(world.tags, tag))
  const tag = tags[0] ?? pick(world.tags, 0)
  const reference = step.byDigest ? manifestDigest : tag
  const declared = step.wrongDigest ? Digest.fromBytes(pick(world.blobs, step.blob + 1)) : digest
  // The id of an upload session that was never opened, so that every registry rejects it.
  const id = upload?.id ?? "00000000-0000-0000-0000-000000000000"
  const within = upload?.repository ?? repository
  const current = upload?.offset ?? 0
  const offset = step.offset === "none" ? undefined : step.offset === "right" ? current : current + 3
  const rest = Body.bytes(blob.subarray(current))
  switch (step.operation) {
    case "ResolveBlob":
      return new Operation.ResolveBlob({ repository, digest })
    case "GetBlob":
      return new Operation.GetBlob({ repository, digest, range: step.range })
    case "ResolveManifest":
      return new Operation.ResolveManifest({ repository, reference })
    case "GetManifest":
      return new Operation.GetManifest({ repository, reference })
    case "PushBlob": {
      const descriptor = { mediaType: "application/octet-stream", digest: declared, size: blob.byteLength }
      return new Operation.PushBlob({ repository, descriptor, body: Body.bytes(blob) })
    }
    case "MountBlob": {
      const from = step.from === undefined ? undefined : pick(world.repositories, step.from)
      return new Operation.MountBlob({ repository, digest, from })
    }
    case "StartUpload":
      return new Operation.StartUpload({ repository })
    case "GetUpload":
      return new Operation.GetUpload({ repository: within, id })
    case "AppendUpload": {
      const body = Body.bytes(blob.subarray(current, current + step.chunk))
      return new Operation.AppendUpload({ repository: within, id, offset, body })
    }
    case "CompleteUpload":
      return new Operation.CompleteUpload({ repository: within, id, digest: declared, offset, body: rest })
    case "CancelUpload":
      return new Operation.CancelUpload({ repository: within, id })
    case "PushManifest":
      return new Operation.PushManifest({
        repository,
        ...manifest,
        digest: step.byDigest ? step.wrongDigest ? declared : manifestDigest : undefined,
        tags,
        ifAbsent: step.ifAbsent ? true : undefined,
        ifMatch: step.ifMatch === undefined ? undefined : Digest.fromBytes(pick(world.manifests, step.ifMatch).bytes)
      })
    case "DeleteBlob":
      return new Operation.DeleteBlob({ repository, digest })
    case "DeleteManifest":
      return new Operation.DeleteManifest({ repository, digest: manifestDigest })
    case "DeleteTag":
      return new Operation.DeleteTag({ repository, tag })
    case "ListRepositories": {
      const last = step.from === undefined ? undefined : pick(world.repositories, step.from)
      return new Operation.ListRepositories({ last, limit: step.limit })
    }
    case "ListTags":
      return new Operation.ListTags({ repository, last: tags[0], limit: step.limit })
    case "ListReferrers": {
      const artifactType = step.ifAbsent ? world.artifactType : undefined
      return new Operation.ListReferrers({ repository, digest: manifestDigest, artifactType })
    }
  }
}
