/**
 * Verifies signatures by identity: keyless signatures of [Sigstore](https://docs.sigstore.dev), with a certificate that
 * names a workflow or a user, and an entry in a transparency log. The trust root is given, and nothing is asked over the
 * network. Runs on Node only.
 *
 * @since 0.1.0
 */
import { bundleFromJSON } from "@sigstore/bundle"
import { TrustedRoot } from "@sigstore/protobuf-specs"
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify"
import * as Effect from "effect/Effect"
import * as Cosign from "./Cosign.js"
import type { Requirement } from "./Requirement.js"
import { EvidenceRejected } from "./Requirement.js"
import type { Signer } from "./Signer.js"

/**
 * An identity of Sigstore, and the root of trust.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  /** The issuer of the identity: `https://token.actions.githubusercontent.com`. */
  readonly issuer: string
  /**
   * The identity in the certificate, compared whole: an e-mail address, or a URL such as
   * `https://github.com/team/app/.github/workflows/release.yml@refs/heads/main`. A regular expression is tested as it is:
   * begin it with `^` and end it with `$`.
   */
  readonly subject: string | RegExp
  /**
   * The JSON of the trust root (`trusted_root.json`): certificate authorities, transparency logs and timestamp authorities.
   * Read it from a file that you keep up to date, for example with `cosign trusted-root create` or `gh attestation
   * trusted-root`.
   */
  readonly trustedRoot: unknown
  /** How many entries of transparency logs a signature needs. Default: 1. */
  readonly transparencyLogEntries?: number | undefined
  /** How many signed certificate timestamps a certificate needs. Default: 1. */
  readonly certificateTimestamps?: number | undefined
}

/**
 * Creates a signer from an identity. Use it in `Attestation.predicate({ by })` and `Cosign.signed`.
 *
 * @since 0.1.0
 * @category constructors
 * @throws Error if the trust root is malformed
 */
export const signer = (identity: Identity): Signer => {
  const { certificateTimestamps = 1, issuer, subject, transparencyLogEntries = 1, trustedRoot } = identity
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(trustedRoot)), {
    tlogThreshold: transparencyLogEntries,
    ctlogThreshold: certificateTimestamps,
    timestampThreshold: 1
  })
  const name = `the identity ${String(subject)} of ${issuer}`
  return {
    name,
    verify: ({ bundle, message }) =>
      Effect.try({
        try: () => {
          if (bundle === undefined) throw new Error("it has no certificate and entry of a transparency log")
          const { identity: found } = verifier.verify(toSignedEntity(bundleFromJSON(bundle), Buffer.from(message)))
          const foundSubject = found?.subjectAlternativeName
          const foundIssuer = found?.extensions?.issuer
          // The policy of the library compares the subject as an unanchored pattern.
          if (foundIssuer !== issuer || foundSubject === undefined || !isSubject(subject, foundSubject)) {
            throw new Error(`it is by ${foundSubject ?? "a key"} of ${foundIssuer ?? "no issuer"}`)
          }
          return { by: `${foundSubject} of ${issuer}` }
        },
        catch: (error) => {
          return new EvidenceRejected({ reason: `has no valid signature by ${name}: ${messageOf(error)}` })
        }
      })
  }
}

/** Returns the message of an error of the library, with that of its cause. */
const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

const isSubject = (expected: string | RegExp, found: string): boolean =>
  // A global expression would continue behind its last match.
  typeof expected === "string" ? found === expected : found.search(expected) >= 0

/**
 * Creates a requirement: the manifest is signed by an identity, `cosign sign` without a key.
 *
 * @since 0.1.0
 * @category constructors
 * @throws Error if the trust root is malformed
 * @example
 * ```ts
 * import * as NodeSigstore from "@effect-oci/verify/NodeSigstore"
 * import { readFileSync } from "node:fs"
 *
 * const byWorkflow = () =>
 *   NodeSigstore.identity({
 *     issuer: "https://token.actions.githubusercontent.com",
 *     subject: "https://github.com/team/app/.github/workflows/release.yml@refs/heads/main",
 *     trustedRoot: JSON.parse(readFileSync("trusted_root.json", "utf8"))
 *   })
 * ```
 */
export const identity = (options: Identity & Cosign.Options): Requirement => Cosign.signed(signer(options), options)
