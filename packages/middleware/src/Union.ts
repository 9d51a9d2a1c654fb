/**
 * Several registries as one.
 *
 * What for: a mirror before its upstream, a registry of one's own over a public one, the same artifacts written to two
 * places, or several sources of which all must say the same.
 *
 * @since 0.1.0
 */
import { Handler, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { inTurn } from "./internal/inTurn.js"
import * as members from "./internal/members.js"
import { nowhere } from "./internal/nowhere.js"
import { deleter } from "./internal/unionDeleter.js"
import { lister } from "./internal/unionLister.js"
import * as model from "./internal/unionModel.js"
import type { Member, Options } from "./internal/unionModel.js"
import { reader } from "./internal/unionReader.js"
import { writer } from "./internal/unionWriter.js"

export type { Capability, Member, Options } from "./internal/unionModel.js"

/**
 * Shows several registries as one, that behind the wrapper as the last of them. Members stand in order of trust.
 *
 * - Reads by digest ask the members in order, or race them (`read`). The content is verified.
 * - A tag resolves to the first member's answer, or must be equal on all members (`tags`): else `TagConflict`. The
 *   manifest of a tag is the one that resolving the tag names, whichever member serves it.
 * - Only a not-found error, or wrong content, makes a read ask the next member. Other failures are the answer, unless
 *   `passOver` passes them over. If no other member has the content, the failure is the answer; an `authoritative` member
 *   has the last word.
 * - A blob that breaks off continues at the next member, if the failure is passed over. Of a blob that turns out wrong at
 *   its end the last byte is withheld, and the error names the member. Reads ask a member that was out of order last
 *   (`cooldown`).
 * - Pushes go to the first that takes them or to all (`push`), a body read once and sent on in lock step. Where some have
 *   failed it is a `PartialFailure` with each one's outcome. Where all are pushed to, what moves the tags of a repository
 *   goes one after another, so that members do not part when several push at once through this union.
 * - A push with `ifAbsent` fails with `Denied` if a tag stands for another manifest at any member.
 * - Deletes go to all. That some have not had it is no failure.
 * - Lists are merged as they are read, in order and each item once. Referrers are in the order of their digests.
 *
 * A failure of several is that of the member that got furthest, and its reason names each one asked.
 *
 * Laws: of one member, it is that member; it is associative in results and in the tags of errors; of a member twice it
 * reads as of that member once; and `ReadOnly` distributes over it, but for pushes with `ifAbsent`.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (
  registries: ReadonlyArray<Member<Registry["Type"]>>,
  options?: Options
): Middleware.Middleware =>
(next) => union([...registries, { name: "the registry behind", registry: Registry.fromHandler(next) }], options)

const union = (registries: ReadonlyArray<Member<Registry["Type"]>>, options: Options = {}): Handler.Handler => {
  const targets = registries.map(model.target)
  const [only] = targets
  if (only === undefined) return nowhere("the union has no members")
  if (targets.length === 1 && model.isWhole(only)) return only.handle
  const read = reader(targets, options)
  const written = { ...writer(targets, options, read.ResolveManifest), ...deleter(targets) }
  const united = Handler.fromTable({
    ...read,
    ...written,
    ...(options.push === "all" ? inOneOrder(written) : undefined),
    ...lister(targets, options)
  })
  return Handler.builtOn(united, ...targets.map(({ handle }) => handle))
}

/** What moves tags of a repository goes one after another, so that no member sees it in an order of its own. */
const inOneOrder = (
  { DeleteManifest, DeleteTag, PushManifest }: Pick<Handler.Table, "PushManifest" | "DeleteManifest" | "DeleteTag">
): Pick<Handler.Table, "PushManifest" | "DeleteManifest" | "DeleteTag"> => {
  const turn = inTurn()
  return {
    PushManifest: (operation) => turn(operation.repository)(Effect.suspend(() => PushManifest(operation))),
    DeleteManifest: (operation) => turn(operation.repository)(Effect.suspend(() => DeleteManifest(operation))),
    DeleteTag: (operation) => turn(operation.repository)(Effect.suspend(() => DeleteTag(operation)))
  }
}

/** Their registries in place of their layers. */
const built = (
  registries: ReadonlyArray<Member>
): Effect.Effect<ReadonlyArray<Member<Registry["Type"]>>, never, members.Members> =>
  Effect.map(members.Members, (all) => registries.map((member, index) => ({ ...member, registry: all[index]! })))

/**
 * A layer of a registry that is several as one, in order of trust.
 *
 * A layer that is a member and is used elsewhere too is built once. What a member's layer is provided with, such as its
 * credentials, no other member gets.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Union } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // Content comes from the mirror where it has it; tags are the origin's.
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
  Layer.effect(Registry, Effect.map(built(registries), (all) => Registry.fromHandler(union(all, options)))).pipe(
    Layer.provide(members.layer(registries.map(({ registry }) => registry)))
  ) as Layer.Layer<Registry, members.ErrorOf<Members[number]>, members.RequirementsOf<Members[number]>>

/**
 * Puts registries before the registry of a layer, which is asked last.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Union } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * // What is built here hides what is there under the same name.
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
      built(registries),
      ({ handle }, all) => Registry.fromHandler(middleware(all, options)(handle))
    )
  ).pipe(Layer.provide([registry, members.layer(registries.map((member) => member.registry))])) as Layer.Layer<
    Registry,
    E | members.ErrorOf<Members[number]>,
    R | members.RequirementsOf<Members[number]>
  >
