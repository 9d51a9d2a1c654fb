/**
 * Requirements: what a policy demands of a manifest before it is served.
 *
 * The modules of the formats create them: `Cosign`, `Attestation`, `Sbom`, `NodeSigstore` and `NodeNotation`. For a format
 * of your own, use {@link ofLayers}, or implement {@link Requirement}.
 *
 * @since 0.1.0
 */
import { MediaType, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest } from "@effect-oci/core"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { unreadable } from "./internal/unreadable.js"

/**
 * A signature or a document that does not satisfy a requirement.
 *
 * @since 0.1.0
 * @category errors
 */
export class EvidenceRejected extends Data.TaggedError("OciEvidenceRejected")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/**
 * The artifacts that a requirement reads: referrers of the subject with one of these artifact types, and manifests under
 * tags that cosign makes from the digest of the subject (`sha256-<hex>.sig` has the ending `sig`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Kinds {
  /** Artifact types, without parameters. A referrer without an artifact type is read too. */
  readonly artifactTypes: ReadonlyArray<string>
  readonly endings: ReadonlyArray<string>
}

/**
 * An artifact that is attached to the subject.
 *
 * @since 0.1.0
 * @category models
 */
export interface Artifact {
  /** The tag that it was found under, or its digest. */
  readonly name: string
  readonly digest: Digest.Digest
  readonly artifactType: string | undefined
  readonly layers: ReadonlyArray<Descriptor.Descriptor>
}

/**
 * Something that was found and does not satisfy a requirement, with the reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly artifact: string
  readonly problem: string
}

/**
 * The artifacts that were found. `failure` is the first transient error: an artifact may exist that could not be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attached {
  readonly artifacts: ReadonlyArray<Artifact>
  readonly findings: ReadonlyArray<Finding>
  readonly failure: RegistryError.RegistryError | undefined
}

/**
 * What is attached to a manifest, the subject. All reads are limited, and are done once for all requirements of a policy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evidence {
  readonly subject: Descriptor.Descriptor
  /** Reads the subject: its exact bytes. */
  readonly content: Effect.Effect<Uint8Array, RegistryError.RegistryError>
  /** Finds the artifacts of some kinds. */
  readonly attached: (kinds: Kinds) => Effect.Effect<Attached>
  /** Reads a layer of an artifact. Fails with `EvidenceRejected` if a limit is reached. */
  readonly read: (digest: Digest.Digest) => Effect.Effect<Uint8Array, RegistryError.RegistryError | EvidenceRejected>
}

/**
 * A proof that a requirement is satisfied.
 *
 * @since 0.1.0
 * @category models
 */
export interface Proof {
  /** The signer or the kind of artifact, for messages. */
  readonly by: string
  /** The time after which the proof is no longer valid, in milliseconds since 1970. Default: no limit. */
  readonly validUntil?: number | undefined
}

/**
 * The result of a requirement.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | ({ readonly _tag: "Satisfied"; readonly artifact: string } & Proof)
  | { readonly _tag: "Missing"; readonly findings: ReadonlyArray<Finding> }

/**
 * A requirement. `description` completes the sentence "the policy requires …".
 *
 * @since 0.1.0
 * @category models
 */
export interface Requirement {
  readonly description: string
  /** Checks the requirement. Fails if the registry fails, so that it is not known whether the requirement is satisfied. */
  readonly check: (evidence: Evidence) => Effect.Effect<Outcome, RegistryError.RegistryError>
}

/**
 * A layer to examine: its descriptor in the artifact, and its bytes, which match the digest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Layer {
  readonly descriptor: Descriptor.Descriptor
  readonly bytes: Uint8Array
  readonly artifact: Artifact
  readonly evidence: Evidence
}

/**
 * Options for {@link ofLayers}.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayersOptions {
  readonly description: string
  readonly kinds: Kinds
  /** The media types of the layers to examine, without parameters. */
  readonly mediaTypes: ReadonlyArray<string>
  /** Examines one layer. A defect counts as `EvidenceRejected`, so malformed content cannot break the server. */
  readonly examine: (layer: Layer) => Effect.Effect<Proof, EvidenceRejected | RegistryError.RegistryError>
}

/**
 * Creates a requirement that is satisfied by one layer of one attached artifact.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofLayers = ({ description, examine, kinds, mediaTypes }: LayersOptions): Requirement => ({
  description,
  check: (evidence) =>
    Effect.gen(function*() {
      const attached = yield* evidence.attached(kinds)
      const findings: Array<Finding> = [...attached.findings]
      let failure = attached.failure
      for (const artifact of attached.artifacts) {
        const layers = artifact.layers.filter(({ mediaType }) => mediaTypes.includes(MediaType.essence(mediaType)))
        if (layers.length === 0) {
          findings.push(without(artifact.name, mediaTypes))
        }
        for (const descriptor of layers) {
          const proof = yield* evidence.read(descriptor.digest).pipe(
            Effect.flatMap((bytes) => examine({ descriptor, bytes, artifact, evidence })),
            Effect.catchAllDefect((defect) => Effect.fail(malformed(defect))),
            Effect.either
          )
          if (Either.isRight(proof)) return { _tag: "Satisfied", artifact: artifact.name, ...proof.right }
          if (proof.left._tag === "OciEvidenceRejected") {
            findings.push({ artifact: artifact.name, problem: proof.left.reason })
          } else if (RegistryError.isTransient(proof.left)) failure ??= proof.left
          else findings.push({ artifact: artifact.name, problem: unreadable(proof.left) })
        }
      }
      return failure === undefined ? { _tag: "Missing", findings } : yield* Effect.fail(failure)
    })
})

const malformed = (defect: unknown): EvidenceRejected =>
  new EvidenceRejected({
    reason: `is malformed: ${defect instanceof Error ? defect.message : Cause.pretty(Cause.die(defect))}`
  })

/**
 * Options for {@link present}.
 *
 * @since 0.1.0
 * @category models
 */
export interface PresentOptions {
  readonly description: string
  readonly kinds: Kinds
  /** The artifact must have a layer with one of these media types, without parameters. Default: any layers, or none. */
  readonly mediaTypes?: ReadonlyArray<string> | undefined
}

/**
 * Creates a requirement that is satisfied if an artifact is attached, with any content and by any signer, or none: a test
 * report, a licence.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Requirement } from "@effect-oci/verify"
 *
 * const tested = Requirement.present({
 *   description: "a test report",
 *   kinds: { artifactTypes: ["application/vnd.example.tests"], endings: [] }
 * })
 * ```
 */
export const present = ({ description, kinds, mediaTypes }: PresentOptions): Requirement => {
  const has = ({ layers }: Artifact) =>
    mediaTypes === undefined || layers.some(({ mediaType }) => mediaTypes.includes(MediaType.essence(mediaType)))
  return {
    description,
    check: ({ attached }) =>
      Effect.gen(function*() {
        const { artifacts, failure, findings } = yield* attached(kinds)
        const found = artifacts.find(has)
        if (found !== undefined) return { _tag: "Satisfied", by: description, artifact: found.name }
        if (failure !== undefined) return yield* Effect.fail(failure)
        return { _tag: "Missing", findings: [...findings, ...artifacts.map(({ name }) => without(name, mediaTypes))] }
      })
  }
}

const without = (artifact: string, mediaTypes: ReadonlyArray<string> = []): Finding => ({
  artifact,
  problem: `has no layer of the types ${mediaTypes.join(", ")}`
})

/**
 * Creates a requirement that is satisfied if one of several requirements is, for example while a key is replaced by
 * another.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Cosign, Requirement } from "@effect-oci/verify"
 *
 * const either = (oldKey: string, newKey: string) => Requirement.any(Cosign.key(oldKey), Cosign.key(newKey))
 * ```
 */
export const any = (...requirements: ReadonlyArray<Requirement>): Requirement => ({
  description: requirements.map(({ description }) => description).join(" or "),
  check: (evidence) =>
    Effect.gen(function*() {
      const findings: Array<Finding> = []
      let failure: RegistryError.RegistryError | undefined
      for (const { check } of requirements) {
        const outcome = yield* Effect.either(check(evidence))
        if (Either.isLeft(outcome)) failure ??= outcome.left
        else if (outcome.right._tag === "Satisfied") return outcome.right
        else findings.push(...outcome.right.findings)
      }
      return failure === undefined ? { _tag: "Missing", findings } : yield* Effect.fail(failure)
    })
})
