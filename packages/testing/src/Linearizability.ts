/**
 * Linearizability of tags under concurrent clients. The answers of a registry are linearizable if a registry that
 * performs one operation at a time could have given them, each operation at some moment between its request and its
 * answer. The spec requires that a push moves a tag atomically ([Pushing
 * Manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests)). In addition, no
 * client may see a tag move back.
 *
 * Each tag is a register of its own. A registry is linearizable if each of its tags is (Herlihy and Wing,
 * "Linearizability: A Correctness Condition for Concurrent Objects", 1990, theorem 1).
 *
 * @since 0.1.0
 */
import type { Digest } from "@effect-oci/core/Digest"
import type { Middleware } from "@effect-oci/core/Middleware"
import { Registry } from "@effect-oci/core/Registry"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as fc from "fast-check"
import * as recorders from "./internal/linearizability/recorder.js"
import type { Claim, Event, History, State } from "./internal/linearizability/register.js"
import { search } from "./internal/linearizability/search.js"
import * as races from "./internal/race.js"
import type { Race, Step } from "./internal/race.js"

export type { Claim, Event, History, State }

const short = (digest: Digest): string => digest.replace(/^(\w+:\w{8}).*$/, "$1…")

const claimText = (claim: Claim): string => "digest" in claim ? `${claim._tag} ${short(claim.digest)}` : claim._tag

const eventText = ({ claim, invoked, responded }: Event): string =>
  `[${invoked}, ${responded === Infinity ? "…" : responded}] ${claimText(claim)}`

/**
 * No order of the operations explains the answers. `explained` is the longest part of the history that has a valid
 * order, in that order. `unexplained` contains the operations that were requested by then; none of them can come next.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotLinearizable extends Data.TaggedError("NotLinearizable")<{
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly explained: History
  readonly unexplained: History
}> {
  override get message(): string {
    const lines = (events: History) => events.map((event) => `  ${eventText(event)}`).join("\n")
    return `${this.repository}:${this.tag} is not linearizable. After these operations:\n${
      lines(this.explained)
    }\nnone of these operations can come next:\n${lines(this.unexplained)}`
  }
}

/**
 * The check stopped at its limit of states, because too many operations ran at the same time.
 *
 * @since 0.1.0
 * @category errors
 */
export class Undecided extends Data.TaggedError("Undecided")<{
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly maxStates: number
}> {
  override get message(): string {
    return `${this.repository}:${this.tag}: the check stopped after ${this.maxStates} states; raise maxStates`
  }
}

/**
 * Searches for an order of the operations that explains the answers, for each tag (Wing and Gong's algorithm, with
 * Lowe's cache of visited states). The time is exponential in the number of concurrent operations, and linear in the
 * length of the history. `maxStates` limits the states for each tag. Default: 1,000,000.
 *
 * @since 0.1.0
 * @category checking
 * @example
 * ```ts
 * import * as Linearizability from "@effect-oci/testing/Linearizability"
 * import { Digest, RepositoryName, Tag } from "@effect-oci/core"
 * import { Either } from "effect"
 *
 * const about = { repository: RepositoryName.make("team/app"), tag: Tag.make("v1") }
 * const digest = Digest.fromBytes(new Uint8Array(0))
 * const stale = Linearizability.check([
 *   { ...about, claim: { _tag: "Pushed", digest }, invoked: 1, responded: 2 },
 *   { ...about, claim: { _tag: "Missing" }, invoked: 3, responded: 4 }
 * ])
 * const found = Either.isLeft(stale) // true
 * ```
 */
export const check = (
  history: History,
  options?: { readonly maxStates?: number | undefined }
): Either.Either<void, NotLinearizable | Undecided> => {
  const maxStates = options?.maxStates ?? 1_000_000
  for (const events of byTag(history)) {
    const { repository, tag } = events[0]
    const result = search(events, maxStates)
    if (result === "undecided") return Either.left(new Undecided({ repository, tag, maxStates }))
    if (result !== "explained") return Either.left(new NotLinearizable({ repository, tag, ...result }))
  }
  return Either.void
}

const byTag = (history: History): Iterable<readonly [Event, ...ReadonlyArray<Event>]> => {
  const tags = new Map<string, [Event, ...Array<Event>]>()
  for (const event of history) {
    const key = `${event.repository}:${event.tag}`
    const events = tags.get(key)
    if (events === undefined) tags.set(key, [event])
    else events.push(event)
  }
  return tags.values()
}

/**
 * A wrapper that records the answers of a registry about its tags, and the recorded history.
 *
 * @since 0.1.0
 * @category recording
 */
export interface Recorder {
  readonly middleware: Middleware
  readonly history: Effect.Effect<History>
}

/**
 * Creates a wrapper that records the answers of a registry about its tags. The wrapper must see all operations on these
 * tags. The callers must have all permissions: the recorder interprets a push that is `Denied` as a conflict with
 * another manifest.
 *
 * @since 0.1.0
 * @category recording
 */
export const recorder: Effect.Effect<Recorder> = Effect.sync(() => {
  const { history, middleware } = recorders.make()
  return { middleware, history: Effect.sync(history) }
})

export type { Race, Step }

/**
 * Generates races of two to four clients.
 *
 * @since 0.1.0
 * @category racing
 */
export const race: fc.Arbitrary<Race> = races.race

/**
 * Runs a race in a repository that is empty at the start, and returns the recorded history.
 *
 * @since 0.1.0
 * @category racing
 */
export const run = (
  race: Race,
  options?: { readonly repository?: RepositoryName | undefined }
): Effect.Effect<History, never, Registry> =>
  Effect.flatMap(Effect.zip(Registry, recorder), ([{ handle }, { history, middleware }]) =>
    Effect.zipRight(
      races.run(race, options?.repository ?? races.repository(), handle, middleware),
      history
    ))
