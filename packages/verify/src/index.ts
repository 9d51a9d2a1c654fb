/**
 * Verification of images: a wrapper that serves only what satisfies a policy, the requirements of policies in each format,
 * and signatures by key for tests and CI. `NodeSigstore` and `NodeNotation` need Node.
 *
 * @since 0.1.0
 */
export * as Attestation from "./Attestation.js"
export * as Cosign from "./Cosign.js"
export * as Policy from "./Policy.js"
export * as Requirement from "./Requirement.js"
export * as Sbom from "./Sbom.js"
export * as Sign from "./Sign.js"
export * as Signer from "./Signer.js"
export * as Verify from "./Verify.js"
