/**
 * Policies: requirements for some references. {@link verify} applies a policy to a manifest, without a wrapper.
 *
 * @since 0.1.0
 */
import { printable, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, ReferenceSet, Registry, RepositoryName } from "@effect-oci/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as evidence from "./internal/evidence.js"
import type { Finding, Outcome, Requirement } from "./Requirement.js"

/**
 * A policy: the references that it is for, and what it requires of them. All requirements must be satisfied.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  /** The name in messages. No two policies have the same name. */
  readonly name: string
  /**
   * The references that the policy is for. A manifest by its digest is a reference without a tag: a set `tags(…)` contains
   * it only in a union with `untagged`.
   */
  readonly select: ReferenceSet.ReferenceSet
  readonly require: ReadonlyArray<Requirement>
}

/**
 * The limits of one verification.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** How many artifacts of one kind, and how many layers in all, are read. Default: 50. */
  readonly maxSignatures?: number | undefined
  /** How many bytes are read in all. Default: 16 MiB. */
  readonly maxBytes?: number | undefined
  /** How long a verification may take. After that, the operation fails with `Unavailable`. Default: 30 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Where signatures are. Default: in the repository of the image.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signatures {
  /** The registry that contains the signatures. Default: the registry of the images. */
  readonly registry?: Registry["Type"] | undefined
  /** Returns the repository of the signatures of a repository (`COSIGN_REPOSITORY`). Default: the same name. */
  readonly repository?: ((of: RepositoryName.RepositoryName) => RepositoryName.RepositoryName) | undefined
}

/**
 * The result of one requirement of a policy.
 *
 * @since 0.1.0
 * @category models
 */
export type Result = { readonly requirement: string } & Outcome

/**
 * What a policy says about a manifest. It is plain data: a denial contains it as its `detail`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verdict {
  readonly policy: string
  readonly repository: RepositoryName.RepositoryName
  readonly digest: Digest.Digest
  readonly allowed: boolean
  readonly results: ReadonlyArray<Result>
  /** The time after which the verdict is no longer valid, in milliseconds since 1970. `undefined` if there is none. */
  readonly validUntil: number | undefined
}

/**
 * The manifest to verify, and where its signatures are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  readonly registry: Registry["Type"]
  readonly repository: RepositoryName.RepositoryName
  readonly descriptor: Descriptor.Descriptor
  readonly signatures?: Signatures | undefined
}

/**
 * Verifies a manifest by a policy, and returns the verdict. Nothing is remembered. Use it to verify before a deployment or
 * after a copy, and in decisions of your own. Whether the policy selects the manifest is not checked.
 *
 * Fails if the registry fails, so that it is not known whether the manifest satisfies the policy.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Policy } from "@effect-oci/verify"
 * import { Effect } from "effect"
 *
 * const isSigned = (policy: Policy.Policy) =>
 *   Effect.gen(function*() {
 *     const registry = yield* Registry
 *     const repository = RepositoryName.make("team/app")
 *     const descriptor = yield* registry.resolveManifest(repository, Tag.make("v1"))
 *     const verdict = yield* Policy.verify({ registry, repository, descriptor }, policy)
 *     return verdict.allowed
 *   })
 * ```
 */
export const verify = (
  { descriptor, registry, repository, signatures = {} }: Subject,
  policy: Pick<Policy, "name" | "require">,
  { maxBytes = 16 * 1024 * 1024, maxSignatures = 50, timeout = "30 seconds" }: Limits = {}
): Effect.Effect<Verdict, RegistryError.RegistryError> =>
  Effect.gen(function*() {
    const source = {
      registry: signatures.registry ?? registry,
      repository: signatures.repository?.(repository) ?? repository
    }
    const content = Effect.map(registry.getManifest(repository, descriptor.digest), ({ bytes }) => bytes)
    const found = yield* evidence.make(source, descriptor, content, { maxBytes, maxSignatures })
    const results: Array<Result> = []
    for (const { check, description } of policy.require) {
      results.push({ requirement: description, ...shortened(yield* check(found)) })
    }
    const limits = results.flatMap((result) => result._tag === "Satisfied" ? result.validUntil ?? [] : [])
    return {
      policy: policy.name,
      repository,
      digest: descriptor.digest,
      allowed: results.every(({ _tag }) => _tag === "Satisfied"),
      results,
      validUntil: limits.length === 0 ? undefined : Math.min(...limits)
    }
  }).pipe(
    Effect.timeoutFail({
      duration: timeout,
      onTimeout: () =>
        new RegistryError.Unavailable({
          repository,
          reference: descriptor.digest,
          reason: `the verification by the policy "${policy.name}" took longer than ${Duration.format(timeout)}`
        })
    })
  )

/** How many findings a verdict contains: the pusher chooses how many there are. */
const maxFindings = 20

const shortened = (outcome: Outcome): Outcome =>
  outcome._tag === "Satisfied" || outcome.findings.length <= maxFindings ? outcome : {
    _tag: "Missing",
    findings: [
      ...outcome.findings.slice(0, maxFindings),
      { artifact: `${outcome.findings.length - maxFindings} more`, problem: "are not listed" }
    ]
  }

/**
 * Returns a verdict in words: the policy, what it requires, what was found, and what is wrong with it.
 *
 * @since 0.1.0
 * @category destructors
 */
export const explain = ({ allowed, policy, results }: Verdict): string => {
  if (allowed) {
    const proofs = results.flatMap((result) =>
      result._tag === "Satisfied" ? [`${result.requirement} (${result.artifact})`] : []
    )
    return `the policy "${policy}" is satisfied: ${proofs.join("; ") || "it requires nothing"}`
  }
  const missing = results.flatMap((result) =>
    result._tag === "Missing" ? [`it requires ${result.requirement}, and found ${foundIn(result.findings)}`] : []
  )
  return `the policy "${policy}" is not satisfied: ${missing.join("; ")}`
}

const foundIn = (findings: ReadonlyArray<Finding>): string => {
  if (findings.length === 0) return "nothing"
  const listed = findings.slice(0, 3).map(({ artifact, problem }) =>
    `${printable(artifact, 100)}, which ${printable(problem, 300)}`
  )
  return `${listed.join("; ")}${findings.length > 3 ? `; and ${findings.length - 3} more` : ""}`
}
