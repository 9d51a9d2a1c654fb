import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"

/**
 * The digest that a tag points at, or `"nothing"` if the tag does not exist.
 *
 * @since 0.1.0
 * @category models
 */
export type State = Digest | "nothing"

/**
 * The state of a tag that an answer implies at the moment of the operation, and the change that the operation made.
 *
 * - `Pushed`: the tag now points at this digest, whatever it pointed at before. `PushedFrom`: the tag pointed at `from`,
 *   or at this digest; now it points at this digest.
 * - `Taken`: the tag points neither at `from` nor at this digest, so the push was refused.
 * - `Found`: the tag points at this digest. `Listed`: the tag points at some digest. `Missing`: the tag does not exist.
 * - `Deleted`: the tag existed, and does not exist now.
 * - `ManifestDeleted`: if the tag pointed at this digest, it does not exist now. `ManifestMissing`: the tag does not
 *   point at this digest.
 *
 * @since 0.1.0
 * @category models
 */
export type Claim =
  | { readonly _tag: "Pushed" | "Found"; readonly digest: Digest }
  | { readonly _tag: "PushedFrom" | "Taken"; readonly digest: Digest; readonly from: State }
  | { readonly _tag: "Listed" | "Missing" | "Deleted" }
  | { readonly _tag: "ManifestDeleted" | "ManifestMissing"; readonly digest: Digest }

/**
 * A claim about a tag that a client received, with its times. All times are from one clock, in any unit. An operation
 * that was requested before, or at the time of, the answer of another may have been performed before the other.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly claim: Claim
  /** The time of the request. */
  readonly invoked: number
  /**
   * The time of the answer. `Infinity` if there was no answer: the operation may be performed at any time after the
   * request, or never.
   */
  readonly responded: number
}

/**
 * The events of all clients, in any order. At the start no tag exists.
 *
 * @since 0.1.0
 * @category models
 */
export type History = ReadonlyArray<Event>

/** Returns the state of a tag after an answer, or `undefined` if that answer is impossible in the given state. */
export const step = (state: State, claim: Claim): State | undefined => {
  switch (claim._tag) {
    case "Pushed":
      return claim.digest
    case "PushedFrom":
      return state === claim.from || state === claim.digest ? claim.digest : undefined
    case "Taken":
      return state !== claim.from && state !== claim.digest ? state : undefined
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
