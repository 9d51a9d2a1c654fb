/**
 * A wrapper that presents several registries as one.
 *
 * Use it for a mirror before its upstream, a private registry over a public one, artifacts that are pushed to two
 * registries, or several sources that must agree.
 *
 * @since 0.1.0
 */
import { Handler, Middleware, ReferenceSet, Registry } from "@effect-oci/core"
import type { RegistryError, UploadIds } from "@effect-oci/core"
import * as KeyedMutex from "@effect-oci/core/KeyedMutex"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constFalse } from "effect/Function"
import * as Layer from "effect/Layer"
import * as members from "./internal/members.js"
import { defaultSortBuffer } from "./internal/mergeSorted.js"
import { rejectAll } from "./internal/rejectAll.js"
import { deleter } from "./internal/union/deleter.js"
import { lister } from "./internal/union/lister.js"
import * as model from "./internal/union/model.js"
import { reader } from "./internal/union/reader.js"
import { writer } from "./internal/union/writer.js"
import type { ErrorOf, RegistrySource, RequirementsOf } from "./RegistrySource.js"

/**
 * What the union may use a member for.
 *
 * - `pull`: blobs and manifests by digest; with `resolve`, also manifests by tag
 * - `resolve`: resolving tags, and the lists of tags and repositories
 * - `push`: blobs, uploads, manifests
 * - `referrers`: the lists of referrers
 * - `delete`: blobs, manifests, tags
 *
 * For a mirror that is not trusted with tags, use `pull` alone: its content is requested by digest, and verified.
 *
 * @since 0.1.0
 * @category models
 */
export type Capability = "pull" | "resolve" | "push" | "referrers" | "delete"

/**
 * A member of a union.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<Source extends RegistrySource = RegistrySource> {
  /** The name of the member in errors. */
  readonly name: string
  /** The registry, or a layer of it. */
  readonly registry: Source
  /** What the union may use the member for. Default: everything. */
  readonly capabilities?: ReadonlyArray<Capability> | undefined
  /**
   * The references for which the union may ask the member. A tag must be in the set; for all other operations, any
   * reference of the repository. Names have no host here. Default: everything.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether the answer of this member is final, as for the registry that the other members mirror. If no member has the
   * content, its error is the answer, and `passOver` does not apply to it. Reads in order ask no member after it.
   *
   * @default false
   */
  readonly authoritative?: boolean | undefined
}

/**
 * Options for a union.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How reads by digest ask the members: one after another (`order`), or all at once (`race`), where the first valid
   * answer counts. Default: `order`.
   */
  readonly read?: "order" | "race" | undefined
  /**
   * What a tag resolves to: the answer of the `first` member that has the tag, or the answer of all members that have
   * it, which must `agree`. Default: `first`.
   */
  readonly tags?: "first" | "agree" | undefined
  /**
   * Which members receive pushes: the `first` member with the capability, or `all` of them. Default: `first`.
   *
   * `ordered` is `all` for several processes that push through the same union. A manifest is pushed to the first member,
   * which alone decides about `ifAbsent` and `ifMatch`, and then to the others. After each push and each delete of a tag,
   * the process compares the tag at all members that can `resolve`, and moves it to the manifest of the first member
   * where it differs. The members must enforce `ifMatch`. A delete by digest is not ordered.
   */
  readonly push?: "first" | "all" | "ordered" | undefined
  /**
   * Selects the failures of a member after which reads and lists ask the next member. Use `RegistryError.isTransient`
   * for members that may be down, and `() => true` for mirrors of an `authoritative` member. If no other member has the
   * content, the failure is the answer. A blob that breaks off with such a failure continues at the next member.
   * Default: none.
   */
  readonly passOver?: ((error: RegistryError.RegistryError) => boolean) | undefined
  /**
   * How long reads ask a member last after the member was unreachable or unavailable, or sent wrong content or an
   * invalid response. The order of `authoritative` members does not change. 0 disables the cooldown. Default: 30
   * seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
  /**
   * How many items of each member's list are buffered, so that a list that is not in ASCII order can be merged. With 0
   * nothing is buffered, and every list must be in order. Default: 1000.
   */
  readonly sortBuffer?: number | undefined
  /**
   * The key that signs the ids of uploads to several members: at least 16 random characters. Of several keys, the first
   * signs, and all verify. Processes that continue each other's uploads share the keys. An empty key is a `RangeError`.
   * Default: a random key, so an upload cannot continue after the process ends.
   */
  readonly uploadKey?: UploadIds.Key | undefined
}

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
 *   several clients push through this union. The lock is of one process: see `push: "ordered"` for several.
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
  const unionMembers = registries.map(unionMember)
  const [first] = unionMembers
  if (first === undefined) return rejectAll("the union has no members")
  if (unionMembers.length === 1 && model.isUnrestricted(first)) return first.handle
  const settings: model.Settings = {
    read: options.read ?? "order",
    tags: options.tags ?? "first",
    push: options.push ?? "first",
    passOver: options.passOver ?? constFalse,
    cooldown: options.cooldown ?? "30 seconds",
    sortBuffer: options.sortBuffer ?? defaultSortBuffer,
    uploadKey: options.uploadKey
  }
  const reads = reader(unionMembers, settings)
  const writes = { ...writer(unionMembers, settings, reads.ResolveManifest), ...deleter(unionMembers, settings) }
  const table = {
    ...reads,
    ...writes,
    ...(settings.push === "all" ? oneAtATime(writes) : undefined),
    ...lister(unionMembers, settings)
  }
  return Handler.builtOn(Handler.fromTable(table), ...unionMembers.map(({ handle }) => handle))
}

const unionMember = (
  { authoritative = false, capabilities, name, registry, select }: Member<Registry.Service>,
  index: number
): model.UnionMember => ({
  index,
  name,
  handle: registry.handle,
  verifying: Middleware.verified(registry.handle),
  can: (capability) => capabilities === undefined || capabilities.includes(capability),
  select: select === undefined || ReferenceSet.equals(select, ReferenceSet.all) ? undefined : select,
  authoritative
})

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
 * Creates a layer that makes one registry of several, in order of trust.
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
): Layer.Layer<Registry, ErrorOf<Members[number]["registry"]>, RequirementsOf<Members[number]["registry"]>> =>
  Layer.effect(Registry, Effect.map(members.built(registries), (all) => Registry.fromHandler(union(all, options))))
    .pipe(
      Layer.provide(members.layer(registries.map(({ registry }) => registry)))
    ) as Layer.Layer<Registry, ErrorOf<Members[number]["registry"]>, RequirementsOf<Members[number]["registry"]>>

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
  E | ErrorOf<Members[number]["registry"]>,
  R | RequirementsOf<Members[number]["registry"]>
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
    E | ErrorOf<Members[number]["registry"]>,
    R | RequirementsOf<Members[number]["registry"]>
  >
