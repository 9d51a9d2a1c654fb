import { Answer } from "@effect-oci/core"
import type { Operation, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type { Cooldown } from "./cooldown.js"
import * as memberErrors from "./memberErrors.js"
import type { MemberError } from "./memberErrors.js"
import { isWrongContent, shouldTryNext } from "./model.js"
import type { Settings, UnionMember } from "./model.js"
import { race } from "./race.js"

type Result<A, R = never> = Effect.Effect<A, RegistryError.RegistryError, R>

/** A read, and how to send it to each member. */
export interface Read<A, R> {
  readonly operation: Operation.Operation
  readonly members: ReadonlyArray<UnionMember>
  readonly ask: (member: UnionMember) => Result<A, R>
  /** The failures of members that were asked before. */
  readonly failed?: ReadonlyArray<MemberError> | undefined
}

/** Reads from several members. Members that failed within the cooldown are asked last. */
export class MemberReads {
  readonly #triesNext: (error: RegistryError.RegistryError) => boolean

  constructor(settings: Settings, readonly cooldown: Cooldown) {
    this.#triesNext = shouldTryNext(settings)
  }

  /** Returns whether an error of a member makes reads ask the next member. */
  canAskNext(
    operation: Operation.Operation,
    { authoritative }: Pick<UnionMember, "authoritative">,
    error: RegistryError.RegistryError
  ): boolean {
    // A member that returns other content does not have the content of the digest.
    return !authoritative && (this.#triesNext(error) || isWrongContent(error, operation))
  }

  /** Asks one member after another until one succeeds. */
  inOrder<A, R>(read: Read<A, R>): Result<A, R> {
    return Answer.flatMap(
      this.cooldown.split(read.operation, read.members),
      ({ ready, resting }) => this.#next({ ...read, members: [...ready, ...resting] })
    )
  }

  /** Asks all members at once, and returns the first success. `late` receives each success that comes later. */
  raced<A, R>(read: Read<A, R>, late: (value: A) => Effect.Effect<void>): Result<A, R> {
    return Answer.flatMap(this.cooldown.split(read.operation, read.members), ({ ready, resting }) => {
      const [members, others] = ready.length === 0 ? [resting, []] : [ready, resting]
      return Answer.catchAll(this.#atOnce({ ...read, members }, late), (errors) => {
        const failed = errors.map((error, index) => ({ name: members[index]!.name, error }))
        const final = members.findIndex(({ authoritative }) => authoritative)
        return final < 0
          ? this.#next({ ...read, members: others, failed })
          : Answer.fail(memberErrors.combine(read.operation, failed, errors[final]))
      })
    })
  }

  /** Asks the members from an index on. */
  #next<A, R>(read: Read<A, R>, index = 0): Result<A, R> {
    const { ask, failed = [], members, operation } = read
    const member = members[index]
    if (member === undefined) return Answer.fail(memberErrors.combine(operation, failed))
    return Answer.catchAll(ask(member), (error) => {
      const all = [...failed, { name: member.name, error }]
      return this.canAskNext(operation, member, error)
        ? Answer.flatMap(
          this.cooldown.recordFault(operation, member, error),
          () => this.#next({ ...read, failed: all }, index + 1)
        )
        : Answer.fail(memberErrors.combine(operation, all, error))
    })
  }

  #atOnce<A, R>(
    { ask, members, operation }: Read<A, R>,
    late: (value: A) => Effect.Effect<void>
  ): Effect.Effect<A, ReadonlyArray<RegistryError.RegistryError>, R> {
    const answers: Array<Result<A, R>> = []
    for (const member of members) {
      const answer = ask(member)
      if (Answer.settled(answer)?._tag === "Success") return answer as Effect.Effect<A>
      answers.push(Effect.tapError(answer, (error) => this.cooldown.recordFault(operation, member, error)))
    }
    return race(answers, late)
  }
}
