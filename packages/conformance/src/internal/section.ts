import type * as Digest from "@effect-oci/core/Digest"
import type { Check } from "../Check.js"

/** A check without its section. Default level: must. Default capability: push. */
export type Row = Omit<Check, "section" | "level" | "needs"> & Partial<Pick<Check, "level" | "needs">>

/** Creates the checks of a section of the spec. */
export const section = (name: string, ...rows: ReadonlyArray<Row>): ReadonlyArray<Check> =>
  rows.map((row) => ({ section: name, level: "must", needs: ["push"], ...row }))

/** Returns the capabilities and the version of the spec that a push with digests of an algorithm needs. */
export const needsOf = (algorithm: Digest.Algorithm) =>
  ({
    needs: algorithm === "sha256" ? ["push"] : ["push", algorithm],
    since: algorithm === "blake3" ? "dev" : undefined
  }) satisfies Pick<Check, "needs" | "since">
