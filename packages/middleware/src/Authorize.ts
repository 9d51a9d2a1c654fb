/**
 * A wrapper that authorizes each operation by a policy.
 *
 * Use it for access control by your own policy. A server's guard authenticates the caller first.
 *
 * @since 0.1.0
 */
import { Answer, Caller, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { atMost } from "./internal/atMost.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * A request to the policy: whether the caller may do this action in this repository, or list the names of all
 * repositories. `operation` contains more, such as the tags of a push or the digest of a delete.
 *
 * @since 0.1.0
 * @category models
 */
export type Request =
  & { readonly caller: Caller.Identity; readonly operation: Operation.Operation }
  & (Operation.Touched | { readonly repository: undefined; readonly action: "list" })

/**
 * A decision of the policy with a reason. The error that the caller receives contains the reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decision {
  readonly allowed: boolean
  readonly reason?: string | undefined
}

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Decides whether the caller may do the action. The function is called at each operation, and its decisions are not
   * cached. If it fails, the operation fails with the same error. The function must already contain the services that
   * it needs.
   */
  readonly allow: (request: Request) => Effect.Effect<boolean | Decision, RegistryError.RegistryError>
  /**
   * What a list of repositories contains. `each`: the names of the repositories from which the caller may pull; the
   * policy is called for each name. `whole`: all names. Default: `each`.
   */
  readonly catalog?: "each" | "whole" | undefined
  /**
   * Whether `allow` receives the caller. With `false`, it receives the anonymous caller at every request, and a `Cache`
   * may wrap the registry. Default: `true`.
   */
  readonly byCaller?: boolean | undefined
}

/** The number of names of a list for which the policy is called at the same time. */
const concurrency = 16

/**
 * Creates a middleware that calls the policy for each repository that an operation touches, before it forwards the
 * operation. A refused operation fails with `Unauthorized` for an anonymous caller, who may retry with credentials, and
 * with `Denied` for all other callers. The error is the same whether the requested content exists or not.
 *
 * A mount needs permission to push to its repository and to pull from its source. If the pull is refused, or the mount
 * names no source (the blob could come from any repository), the middleware starts an upload session instead.
 *
 * Law: a policy that allows everything changes only mounts without a source.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ allow, byCaller = true, catalog = "each" }: Options): Middleware.Middleware => (next) => {
  const check = (request: Request): Effect.Effect<void, RegistryError.RegistryError> =>
    Effect.flatMap(allow(request), (decision) => {
      const { allowed, reason } = typeof decision === "boolean" ? { allowed: decision } : decision
      return allowed ? Effect.void : Answer.fail(refusal(request, reason))
    })

  const may = (request: Request): Effect.Effect<boolean, RegistryError.RegistryError> =>
    Effect.map(allow(request), (decision) => typeof decision === "boolean" ? decision : decision.allowed)

  const decided = <O extends Operation.Operation>(caller: Caller.Identity, operation: O): Answer.Answer<O> => {
    const [first, ...others] = Operation.repositories(operation)
    // An operation that touches no repository concerns all of them, so it is checked as a list.
    const request = first === undefined ? list(caller, operation) : { caller, operation, ...first }
    const checked = others.reduce(
      (before, touched) => Effect.flatMap(before, () => check({ caller, operation, ...touched })),
      check(request)
    )
    return Effect.flatMap(checked, () => next(operation))
  }

  const mount = (caller: Caller.Identity, operation: Operation.MountBlob) => {
    const { from, repository } = operation
    return check({ caller, operation, repository, action: "push" }).pipe(
      Effect.flatMap(() =>
        from === undefined ? Answer.succeed(false) : may({ caller, operation, repository: from, action: "pull" })
      ),
      Effect.flatMap((readable) => readable ? next(operation) : uploadInstead(next, operation))
    )
  }

  const listEach = (caller: Caller.Identity, operation: Operation.ListRepositories) => {
    const { last, limit } = operation
    const readable = (repository: RepositoryName.RepositoryName) =>
      may({ caller, operation, repository, action: "pull" })
    return check(list(caller, operation)).pipe(
      Effect.flatMap(() => next(new Operation.ListRepositories({ last }))),
      Effect.map((names) => {
        const allowed = Stream.mapChunksEffect(
          Stream.rechunk(names, concurrency),
          (some) => Effect.map(Effect.filter(some, readable, { concurrency }), Chunk.unsafeFromArray)
        )
        return atMost(allowed, limit)
      })
    )
  }

  const callerOf = byCaller ? Caller.Caller : Effect.succeed(Caller.anonymous)

  const row = <O extends Operation.Operation>(
    f: (caller: Caller.Identity, operation: O) => Answer.Answer<O>
  ) =>
  (operation: O): Answer.Answer<O> => Effect.flatMap(callerOf, (caller) => f(caller, operation))

  const authorized = Handler.wrap((operation) => Effect.flatMap(callerOf, (caller) => decided(caller, operation)), {
    ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest", "PushBlob"),
    MountBlob: row(mount),
    ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
    ...Handler.forward("PushManifest", "DeleteBlob", "DeleteManifest", "DeleteTag"),
    ListRepositories: row(catalog === "each" ? listEach : decided),
    ...Handler.forward("ListTags", "ListReferrers")
  })
  return byCaller ? Handler.dependingOnCaller(authorized) : Handler.builtOn(authorized, next)
}

const list = (caller: Caller.Identity, operation: Operation.Operation): Request => ({
  caller,
  operation,
  repository: undefined,
  action: "list"
})

const verbs: { readonly [Action in Request["action"]]: string } = {
  pull: "pull from",
  push: "push to",
  delete: "delete from",
  list: "list the repositories of"
}

const refusal = (
  { action, caller, operation, repository }: Request,
  reason: string | undefined
): RegistryError.Denied | RegistryError.Unauthorized => {
  const fields = Operation.errorFields(operation)
  return caller.name === undefined
    ? new RegistryError.Unauthorized({ ...fields, reason })
    : new RegistryError.Denied({
      ...fields,
      reason: reason ?? `"${caller.name}" is not authorized to ${verbs[action]} ${repository ?? "this registry"}`
    })
}

/**
 * Creates a layer that requires a registry, and provides that registry with its operations authorized. {@link wrap}
 * does the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are authorized.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Authorize } from "@effect-oci/middleware"
 * import { Effect } from "effect"
 * import type { Layer } from "effect"
 *
 * // All callers may pull. A named caller may push to repositories below the name.
 * const guarded = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(Authorize.wrap({
 *     allow: ({ action, caller: { name }, repository }) =>
 *       Effect.succeed(
 *         action === "pull" || action === "list" ||
 *           (action === "push" && name !== undefined && repository.startsWith(`${name}/`))
 *       )
 *   }))
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
