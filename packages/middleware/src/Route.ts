/**
 * A wrapper that presents several registries as one, each with its own repositories.
 *
 * Use it as one address for several registries (one for each team, upstream or storage class), or to move some
 * repositories elsewhere without a change for clients.
 *
 * @since 0.1.0
 */
import { Handler, Operation, ReferenceSet, Registry } from "@effect-oci/core"
import type { Answer, Middleware, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { atMost } from "./internal/atMost.js"
import { listRepositories } from "./internal/listRepositories.js"
import * as members from "./internal/members.js"
import { defaultSortBuffer, mergeSorted } from "./internal/mergeSorted.js"
import { rejectAll } from "./internal/rejectAll.js"
import { uploadInstead } from "./internal/uploadInstead.js"
import type { ErrorOf, RegistrySource, RequirementsOf } from "./RegistrySource.js"

/**
 * A registry that receives the operations on its repositories.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<Source extends RegistrySource = RegistrySource> {
  /** The name of the member in errors. */
  readonly name: string
  /**
   * The repositories of the member: those with any reference in the set. Tags alone select nothing, because blobs have
   * no tags; put a `Filter` around the member for that. Hosts select nothing either, because names have no host here.
   */
  readonly select: ReferenceSet.ReferenceSet
  /** The registry, or a layer of it. */
  readonly registry: Source
}

/**
 * Creates a middleware that sends each operation to the first member whose set contains its repository, and to the next
 * registry if no set does. Repositories that a member has, but that belong to another member, are not visible.
 *
 * A mount from a repository of another member starts an upload session instead. So does a mount without a source,
 * unless the first member has all repositories. The list of repositories merges the lists of all members, in order and
 * as they are read. Each member is asked only for its own repositories. If the list of a member is out of order by more
 * than 1000 items, the list fails with `ResponseInvalid`, which names the member.
 *
 * Laws: without members it equals the next registry; with one member that has all repositories it equals that member.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (routes: ReadonlyArray<Member<Registry.Service>>): Middleware.Middleware => (next) =>
  handler([
    ...routes.map(({ name, registry, select }) => ({ name, select, handle: registry.handle })),
    { name: "the wrapped registry", select: ReferenceSet.all, handle: next }
  ])

interface Target {
  readonly name: string
  readonly select: ReferenceSet.ReferenceSet
  readonly handle: Handler.Handler
}

const merging = { key: (name: string) => name, sortBuffer: defaultSortBuffer }

type Within = Exclude<Operation.Operation, Operation.ListRepositories>

/** Creates a handler for several targets. The last target has all repositories that belong to no other target. */
const handler = (targets: ReadonlyArray<Target>): Handler.Handler => {
  const last = targets.length - 1
  const ownerOf = (repository: RepositoryName.RepositoryName): Target =>
    targets.find(({ select }, index) => index === last || ReferenceSet.touches(select, { repository }))!
  const first = targets[0]!
  const hasAll = ReferenceSet.equals(first.select, ReferenceSet.all)
  const send = <O extends Within>(operation: O): Answer.Answer<O> => ownerOf(operation.repository).handle(operation)

  const routed = Handler.fromTable({
    ResolveBlob: send,
    GetBlob: send,
    ResolveManifest: send,
    GetManifest: send,
    PushBlob: send,
    MountBlob: (operation) => {
      const { from, repository } = operation
      const target = ownerOf(repository)
      const within = from === undefined ? hasAll : ownerOf(from) === target
      return within ? target.handle(operation) : uploadInstead(target.handle, operation)
    },
    StartUpload: send,
    GetUpload: send,
    AppendUpload: send,
    CompleteUpload: send,
    CancelUpload: send,
    PushManifest: send,
    DeleteBlob: send,
    DeleteManifest: send,
    DeleteTag: send,
    ListRepositories: (operation) => {
      if (hasAll) return first.handle(operation)
      const lists = targets.flatMap((target) =>
        listRepositories(target.handle, operation).map((names) =>
          Effect.map(names, (items) => ({
            name: target.name,
            items: Stream.filter(items, (repository) => ownerOf(repository) === target)
          }))
        )
      )
      return Effect.map(
        Effect.all(lists, { concurrency: "unbounded" }),
        (all) => atMost(mergeSorted(all, Operation.errorFields(operation), merging), operation.limit)
      )
    },
    ListTags: send,
    ListReferrers: send
  })
  return Handler.builtOn(routed, ...targets.map(({ handle }) => handle))
}

/**
 * Creates a layer that makes a registry of several: each operation goes to one of them. A repository that belongs to no
 * member does not exist: reads fail with `NameUnknown` (of a blob: `BlobUnknown`), and writes with `Denied`.
 *
 * A layer that is a member and is also used elsewhere is built once. A layer that is provided to one member, such as
 * its credentials, is not visible to the other members.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Route } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const face = (releases: Layer.Layer<Registry>, builds: Layer.Layer<Registry>) =>
 *   Route.layer([
 *     { name: "releases", select: ReferenceSet.prefix("releases/"), registry: releases },
 *     { name: "builds", select: ReferenceSet.prefix("ci/", "nightly/"), registry: builds }
 *   ])
 * ```
 */
export const layer = <const Routes extends ReadonlyArray<Member>>(
  routes: Routes
): Layer.Layer<Registry, ErrorOf<Routes[number]["registry"]>, RequirementsOf<Routes[number]["registry"]>> =>
  wrap(routes)(Registry.layerHandler(rejectAll("no member of the route has this repository (option select)")))

/**
 * Wraps the registry of a layer: the members receive the operations on their repositories, and the registry all others.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Route } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const moved = (archive: Layer.Layer<Registry>) =>
 *   Route.wrap([{ name: "archive", select: ReferenceSet.prefix("old/"), registry: archive }])
 * ```
 */
export const wrap = <const Routes extends ReadonlyArray<Member>>(routes: Routes) =>
<E, R>(
  registry: Layer.Layer<Registry, E, R>
): Layer.Layer<
  Registry,
  E | ErrorOf<Routes[number]["registry"]>,
  R | RequirementsOf<Routes[number]["registry"]>
> =>
  Layer.effect(
    Registry,
    Effect.zipWith(Registry, members.built(routes), ({ handle }, all) => Registry.fromHandler(middleware(all)(handle)))
  ).pipe(Layer.provide([registry, members.layer(routes.map((route) => route.registry))])) as Layer.Layer<
    Registry,
    E | ErrorOf<Routes[number]["registry"]>,
    R | RequirementsOf<Routes[number]["registry"]>
  >
