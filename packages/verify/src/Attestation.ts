/**
 * Requires an [in-toto attestation](https://github.com/in-toto/attestation) whose predicate satisfies a condition: a
 * provenance by a trusted builder, a scan without critical findings.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as formats from "./internal/bundle.js"
import type { Requirement } from "./Requirement.js"
import { ofLayers } from "./Requirement.js"
import type { Signer } from "./Signer.js"

/**
 * Options for {@link predicate}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The type of the predicate, for example `https://slsa.dev/provenance/v1`, or several types. */
  readonly type: string | ReadonlyArray<string>
  /** The signer of the attestation: `Signer.key(…)`, or `NodeSigstore.signer(…)`. */
  readonly by: Signer
  /** What the predicate must satisfy: a schema that it must match, or a function. Default: anything. */
  readonly satisfies?: Schema.Schema.AnyNoContext | ((predicate: unknown) => boolean) | undefined
}

/**
 * Creates a requirement: the manifest has an attestation of a type, by a signer, whose predicate satisfies a condition. The
 * attestation is a Sigstore bundle, or a DSSE envelope under cosign's tag `sha256-<hex>.att`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Attestation, Signer } from "@effect-oci/verify"
 * import { Schema } from "effect"
 *
 * const builtByUs = (publicKey: string) =>
 *   Attestation.predicate({
 *     type: "https://slsa.dev/provenance/v1",
 *     by: Signer.key(publicKey),
 *     satisfies: Schema.Struct({
 *       runDetails: Schema.Struct({ builder: Schema.Struct({ id: Schema.Literal("https://ci.example.com") }) })
 *     })
 *   })
 * ```
 */
export const predicate = ({ by, satisfies = () => true, type }: Options): Requirement => {
  const types = typeof type === "string" ? [type] : type
  const holds = Schema.isSchema(satisfies) ? matches(satisfies) : satisfies
  return ofLayers({
    description: `an attestation of the type ${types.join(" or ")} by ${by.name}`,
    kinds: { artifactTypes: [...formats.bundles, formats.dsseEnvelope], endings: ["att"] },
    mediaTypes: [formats.dsseEnvelope, ...formats.bundles],
    examine: ({ bytes, descriptor, evidence: { content, subject } }) =>
      Effect.gen(function*() {
        const found = descriptor.mediaType === formats.dsseEnvelope
          ? yield* formats.fromEnvelope(bytes, subject, descriptor)
          : yield* formats.fromBundle(bytes, subject, content)
        if (!("predicateType" in found)) return yield* formats.rejected("is a signature, not an attestation")
        if (!types.includes(found.predicateType)) {
          return yield* formats.rejected(
            `is an attestation of the type ${JSON.stringify(found.predicateType.slice(0, 80))}`
          )
        }
        const proof = yield* by.verify(found.signed)
        return holds(found.predicate)
          ? proof
          : yield* formats.rejected("has a predicate that does not satisfy the policy")
      })
  })
}

const matches = (schema: Schema.Schema.AnyNoContext): (predicate: unknown) => boolean => Schema.is(schema)
