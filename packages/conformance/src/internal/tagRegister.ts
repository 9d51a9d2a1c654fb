import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"

/**
 * What an answer says of a tag at the moment at which it was made, and what was done with the tag then.
 *
 * - `Pushed`: whatever it pointed at, it points at this now. `PushedIfAbsent`: it pointed at nothing, or at this.
 * - `Taken`: it points at something else than what was pushed if absent.
 * - `Found`: it points at this. `Listed`: it points at something. `Missing`: it points at nothing.
 * - `Deleted`: it pointed at something, and points at nothing now.
 * - `ManifestDeleted`: if it pointed at this, it points at nothing now. `ManifestMissing`: it does not point at this.
 *
 * @since 0.1.0
 * @category models
 */
export type Claim =
  | { readonly _tag: "Pushed" | "PushedIfAbsent" | "Taken" | "Found"; readonly digest: Digest }
  | { readonly _tag: "Listed" | "Missing" | "Deleted" }
  | { readonly _tag: "ManifestDeleted" | "ManifestMissing"; readonly digest: Digest }

/**
 * What somebody was told of a tag, and when. Times are of one clock, in any unit: a request before or at the time of
 * another's answer may have been done before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly claim: Claim
  /** When it was asked. */
  readonly invoked: number
  /** When the answer was there: `Infinity` if none came, and what was asked may be done at any time since, or never. */
  readonly responded: number
}

/**
 * What each client was told, in any order. Nothing had a tag before.
 *
 * @since 0.1.0
 * @category models
 */
export type History = ReadonlyArray<Event>

/** What a tag points at. */
export type State = Digest | "nothing"

/** What a tag points at after an answer, or `undefined` where that answer cannot have been given. */
export const step = (state: State, claim: Claim): State | undefined => {
  switch (claim._tag) {
    case "Pushed":
      return claim.digest
    case "PushedIfAbsent":
      return state === "nothing" || state === claim.digest ? claim.digest : undefined
    case "Taken":
      return state !== "nothing" && state !== claim.digest ? state : undefined
    case "Found":
      return state === claim.digest ? state : undefined
    case "Listed":
      return state === "nothing" ? undefined : state
    case "Missing":
      return state === "nothing" ? state : undefined
    case "Deleted":
      return state === "nothing" ? undefined : "nothing"
    case "ManifestDeleted":
      return state === claim.digest ? "nothing" : state
    case "ManifestMissing":
      return state === claim.digest ? undefined : state
  }
}
