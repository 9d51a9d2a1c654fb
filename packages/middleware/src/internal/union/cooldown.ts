import { Digest, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Options, Target } from "./model.js"
import * as model from "./model.js"

/** The members in two groups, each in order of trust. */
export interface Split {
  readonly ready: ReadonlyArray<Target>
  /** Members that failed within the cooldown. */
  readonly resting: ReadonlyArray<Target>
}

/** Stores which members failed within the cooldown. Reads ask these members last. */
export interface Cooldown {
  readonly split: (operation: Operation.Operation, members: ReadonlyArray<Target>) => Effect.Effect<Split>
  /**
   * Stores the failure of a member. It changes which member resolves tags only if `passOver` selects it, because
   * content is verified and tags are not.
   */
  readonly note: (target: Target, error: RegistryError.RegistryError, clock: Clock.Clock) => void
}

export const make = ({ cooldown = "30 seconds", passOver = () => false }: Options): Cooldown => {
  const millis = Duration.toMillis(cooldown)
  const content = new Map<Target, number>()
  const tags = new Map<Target, number>()
  return {
    split: (operation, members) => {
      const until = model.digestOf(operation) === undefined ? tags : content
      if (until.size === 0) return Exit.succeed({ ready: members, resting: [] })
      return Effect.map(Clock.currentTimeMillis, (now) => {
        for (const [target, end] of until) if (end <= now) until.delete(target)
        return {
          ready: members.filter((target) => !until.has(target)),
          resting: members.filter((target) => until.has(target))
        }
      })
    },
    note: (target, error, clock) => {
      if (millis === 0 || target.authoritative) return
      const end = clock.unsafeCurrentTimeMillis() + millis
      content.set(target, end)
      if (passOver(error)) tags.set(target, end)
    }
  }
}

/**
 * Returns whether an error means that a member does not work, and not only that the content is missing or refused
 * there.
 */
export const isOutOfOrder = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean => {
  if (RegistryError.isTransient(error) || error._tag === "ResponseInvalid") return true
  const digest = model.digestOf(operation)
  // A digest by an algorithm that cannot be verified is not an error of the member.
  return model.isWrongContent(error, operation) && digest !== undefined && Digest.verifiable(digest) !== undefined
}
