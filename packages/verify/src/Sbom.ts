/**
 * Requires a software bill of materials (SBOM).
 *
 * @since 0.1.0
 */
import type { Requirement } from "./Requirement.js"
import { present as attached } from "./Requirement.js"

/**
 * The media types of SBOMs, without parameters.
 *
 * @since 0.1.0
 * @category constants
 */
export const mediaTypes: ReadonlyArray<string> = [
  "application/spdx+json",
  "application/spdx+xml",
  "application/vnd.cyclonedx",
  "application/vnd.cyclonedx+json",
  "application/vnd.cyclonedx+xml",
  "application/vnd.syft+json",
  "text/spdx",
  "text/spdx+json",
  "text/spdx+xml"
]

/**
 * The types of predicates that are SBOMs, for `Attestation.predicate`.
 *
 * @since 0.1.0
 * @category constants
 */
export const predicateTypes: ReadonlyArray<string> = [
  "https://spdx.dev/Document",
  "https://spdx.dev/Document/v2.3",
  "https://cyclonedx.org/bom",
  "https://cyclonedx.org/schema"
]

/**
 * Creates a requirement: the manifest has an SBOM, as a referrer or under cosign's tag `sha256-<hex>.sbom`. It needs no
 * signature. For a signed SBOM, use `Attestation.predicate({ type: Sbom.predicateTypes, by })`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const present = (): Requirement =>
  attached({ description: "an SBOM", kinds: { artifactTypes: mediaTypes, endings: ["sbom"] }, mediaTypes })
