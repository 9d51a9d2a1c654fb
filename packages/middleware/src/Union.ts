/**
 * A wrapper that presents several registries as one.
 *
 * Use it for a mirror before its upstream, a private registry over a public one, artifacts that are pushed to two
 * registries, or several sources that must agree.
 *
 * @since 0.1.0
 */
import { Handler, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as members from "./internal/members.js"
import { rejectAll } from "./internal/rejectAll.js"
import { deleter } from "./internal/union/deleter.js"
import { lister } from "./internal/union/lister.js"
import * as model from "./internal/union/model.js"
import type { Member, Options } from "./internal/union/model.js"
import { reader } from "./internal/union/reader.js"
import { writer } from "./internal/union/writer.js"

export type { Capability, Member, Options } from "./internal/union/model.js"

/**
 * Creates a middleware that presents several registries as one. The next registry is the last member. Members are in
 * order of trust.
 *
 * - Reads by digest ask the members in order, or race them (`read`). The content is verified.
 * - A tag resolves to the first member's answer, or must be equal on all members (`tags`); otherwise the read fails
 *   with `TagConflict`. The manifest of a tag is the manifest that resolving the tag names, whichever member serves it.
 * - A read asks the next member only after a not-found error or wrong content. Other failures are the answer, unless
 *   `passOver` selects them. If no other member has the content, the failure is the answer. The answer of an
 *   `authoritative` member is final.
 * - If a blob breaks off with a failure that `passOver` selects, the next member continues it. If a blob turns out
 *   wrong at its end, the last byte is withheld, and the error names the member. After a failure of a member, reads ask
 *   it last (`cooldown`).
 * - Pushes go to the first member with the capability, or to all of them (`push`). A body is read once and sent to all
 *   members in lock step. If some members fail, the result is `PartialFailure` with the outcome of each member. With
 *   `push: "all"`, operations that move the tags of a repository run one after another, so that members stay equal when
 *   several clients push through this union.
 * - A push with `ifAbsent` or `ifMatch` fails with `Denied` if a tag of the union does not meet the condition. The
 *   members that receive the push check the condition too, so with `ifMatch` they must have the tag themselves.
 * - Deletes go to all members with the capability. A member that does not have the content is no failure.
 * - Lists are merged as they are read, in order and each item once. Referrers are sorted by digest.
 *
 * If several members fail, the error is that of the member that got furthest, and its reason contains the answer of
 * each member.
 *
 * Laws: a union of one member equals that member; unions are associative in results and in the tags of errors; a union
 * of one member twice reads as that member once; and `ReadOnly` distributes over `Union`, except for pushes with a
 * condition and unknown upload ids.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  registries: ReadonlyArray<Member<Registry.Service>>,
  options?: Options
): Middleware.Middleware =>
(next) => union([...registries, { name: "the wrapped registry", registry: Registry.fromHandler(next) }], options)

const union = (registries: ReadonlyArray<Member<Registry.Service>>, options: Options = {}): Handler.Handler => {
  const unionMembers = registries.map(model.unionMember)
  const [first] = unionMembers
  if (first === undefined) return rejectAll("the union has no members")
  if (unionMembers.length === 1 && model.isUnrestricted(first)) return first.handle
  const reads = reader(unionMembers, options)
  const writes = { ...writer(unionMembers, options, reads.ResolveManifest), ...deleter(unionMembers) }
  const table = {
    ...reads,
    ...writes,
    ...(options.push === "all" ? oneAtATime(writes) : undefined),
    ...lister(unionMembers, options)
  }
  return Handler.builtOn(Handler.fromTable(table), ...unionMembers.map(({ handle }) => handle))
}

type TagMoves = Pick<Handler.Table, "PushManifest" | "DeleteManifest" | "DeleteTag">

/** Runs operations that move tags of a repository one after another, so that all members see them in the same order. */
const oneAtATime = ({ DeleteManifest, DeleteTag, PushManifest }: TagMoves): TagMoves => {
  const lock = KeyedMutex.make()
  return {
    PushManifest: (operation) => lock(operation.repository)(Effect.suspend(() => PushManifest(operation))),
    DeleteManifest: (operation) => lock(operation.repository)(Effect.suspend(() => DeleteManifest(operation))),
    DeleteTag: (operation) => lock(operation.repository)(Effect.suspend(() => DeleteTag(operation)))
  }
}

/**
 * Creates a layer of a registry that presents several registries as one, in order of trust.
 *
 * A layer that is a member and is also used elsewhere is built once. A layer that is provided to one member, such as
 * its credentials, is not visible to the other members.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Union } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Content comes from the mirror if the mirror has it. Tags come from the origin.
 * const mirrored = (mirror: Layer.Layer<Registry>, origin: Layer.Layer<Registry>) =>
 *   Union.layer([
 *     { name: "mirror", registry: mirror, capabilities: ["pull"] },
 *     { name: "origin", registry: origin, authoritative: true }
 *   ], { passOver: () => true })
 * ```
 */
export const layer = <const Members extends ReadonlyArray<Member>>(
  registries: Members,
  options?: Options
): Layer.Layer<Registry, members.ErrorOf<Members[number]>, members.RequirementsOf<Members[number]>> =>
  Layer.effect(Registry, Effect.map(members.built(registries), (all) => Registry.fromHandler(union(all, options))))
    .pipe(
      Layer.provide(members.layer(registries.map(({ registry }) => registry)))
    ) as Layer.Layer<Registry, members.ErrorOf<Members[number]>, members.RequirementsOf<Members[number]>>

/**
 * Wraps the registry of a layer in a union of members, with that registry as the last member.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Union } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Content of `mine` hides content of the wrapped registry under the same name.
 * const over = (mine: Layer.Layer<Registry>) => Union.wrap([{ name: "mine", registry: mine }])
 * ```
 */
export const wrap = <const Members extends ReadonlyArray<Member>>(registries: Members, options?: Options) =>
<E, R>(
  registry: Layer.Layer<Registry, E, R>
): Layer.Layer<
  Registry,
  E | members.ErrorOf<Members[number]>,
  R | members.RequirementsOf<Members[number]>
> =>
  Layer.effect(
    Registry,
    Effect.zipWith(
      Registry,
      members.built(registries),
      ({ handle }, all) => Registry.fromHandler(middleware(all, options)(handle))
    )
  ).pipe(Layer.provide([registry, members.layer(registries.map((member) => member.registry))])) as Layer.Layer<
    Registry,
    E | members.ErrorOf<Members[number]>,
    R | members.RequirementsOf<Members[number]>
  >
