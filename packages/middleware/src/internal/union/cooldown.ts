import { Answer, Digest, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { digestOf, isWrongContent } from "./model.js"
import type { Settings, UnionMember } from "./model.js"

/** The members in two groups, each in order of trust. */
export interface Split {
  readonly ready: ReadonlyArray<UnionMember>
  /** Members that failed within the cooldown. */
  readonly resting: ReadonlyArray<UnionMember>
}

/** Stores which members failed within the cooldown. Reads ask these members last. */
export interface Cooldown {
  readonly split: (operation: Operation.Operation, members: ReadonlyArray<UnionMember>) => Effect.Effect<Split>
  /**
   * Stores a failure of a member. The failure changes which member resolves tags only if `passOver` selects it, because
   * content is verified and tags are not.
   */
  readonly recordFailure: (member: UnionMember, error: RegistryError.RegistryError, clock: Clock.Clock) => void
  /** Stores a failure of a member if the failure means that the member does not work. */
  readonly recordFault: (
    operation: Operation.Operation,
    member: UnionMember,
    error: RegistryError.RegistryError
  ) => Effect.Effect<void>
}

export const make = ({ cooldown, passOver }: Settings): Cooldown => {
  const millis = Duration.toMillis(cooldown)
  const content = new Map<UnionMember, number>()
  const tags = new Map<UnionMember, number>()
  const recordFailure: Cooldown["recordFailure"] = (member, error, clock) => {
    if (millis === 0 || member.authoritative) return
    const end = clock.unsafeCurrentTimeMillis() + millis
    content.set(member, end)
    if (passOver(error)) tags.set(member, end)
  }
  return {
    recordFailure,
    recordFault: (operation, member, error) =>
      isFault(error, operation)
        ? Effect.map(Effect.clock, (clock) => recordFailure(member, error, clock))
        : Answer.done,
    split: (operation, members) => {
      const until = digestOf(operation) === undefined ? tags : content
      if (until.size === 0) return Answer.succeed({ ready: members, resting: [] })
      return Effect.map(Clock.currentTimeMillis, (now) => {
        for (const [member, end] of until) if (end <= now) until.delete(member)
        return {
          ready: members.filter((member) => !until.has(member)),
          resting: members.filter((member) => until.has(member))
        }
      })
    }
  }
}

/**
 * Returns whether an error means that a member does not work, and not only that the content is missing or refused
 * there.
 */
const isFault = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean => {
  if (RegistryError.isTransient(error) || error._tag === "OciResponseInvalid") return true
  const digest = digestOf(operation)
  // A digest by an algorithm that cannot be verified is not an error of the member.
  return isWrongContent(error, operation) && digest !== undefined && Digest.verifiable(digest) !== undefined
}
