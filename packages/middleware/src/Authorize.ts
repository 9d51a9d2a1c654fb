/**
 * A registry that asks for each operation whether its caller may.
 *
 * What for: access control by a policy of one's own, behind a server's guard, which says who calls.
 *
 * @since 0.1.0
 */
import { Caller, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware, RepositoryName } from "@effect-oci/core"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as answer from "./internal/answer.js"
import { atMost } from "./internal/atMost.js"
import { uploadInstead } from "./internal/uploadInstead.js"

/**
 * What is asked of the policy: whether the caller may do this in this repository, or list the names of all
 * repositories. `operation` is what they asked for, which says more: the tags of a push, the digest of a delete.
 *
 * @since 0.1.0
 * @category models
 */
export type Request =
  & { readonly caller: Caller.Identity; readonly operation: Operation.Operation }
  & (Operation.Touched | { readonly repository: undefined; readonly action: "list" })

/**
 * What the policy answers, where it says why. The reason is told to the caller.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decision {
  readonly allowed: boolean
  readonly reason?: string | undefined
}

/**
 * How operations are authorized.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Whether the caller may. It is asked at each operation, nothing is kept, and where it fails so does the operation.
   * What it needs it has from where it was made.
   */
  readonly allow: (request: Request) => Effect.Effect<boolean | Decision, RegistryError.RegistryError>
  /**
   * What those who may list repositories are told: `each` asks for each name whether they may pull from it, and leaves
   * the others out; `whole` does not. It is `each` unless said.
   */
  readonly catalog?: "each" | "whole" | undefined
  /**
   * Whether `allow` looks at the caller. With `false`, every request has the anonymous caller, and a `Cache` may wrap the
   * registry. Default: true.
   */
  readonly byCaller?: boolean | undefined
}

/** How many names of a list are asked about at once. */
const concurrency = 16

/**
 * Asks about each repository that an operation touches, and what it does there, before the registry is asked. What is
 * refused is `Unauthorized` for an anonymous caller, who may come back with a name, and `Denied` for all others; it is
 * the same whether what was asked for is there or not.
 *
 * A mount asks to push to its repository and to pull from its source. Where the latter is refused, or no source is named,
 * so that the blob might come from anywhere, it goes on as an upload.
 *
 * Law: a policy that allows all changes nothing but mounts without a source.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ allow, byCaller = true, catalog = "each" }: Options): Middleware.Middleware => (next) => {
  const check = (request: Request): Effect.Effect<void, RegistryError.RegistryError> =>
    Effect.flatMap(allow(request), (decision) => {
      const { allowed, reason } = typeof decision === "boolean" ? { allowed: decision } : decision
      return allowed ? Effect.void : Exit.fail(refusal(request, reason))
    })

  const may = (request: Request): Effect.Effect<boolean, RegistryError.RegistryError> =>
    Effect.map(allow(request), (decision) => typeof decision === "boolean" ? decision : decision.allowed)

  const asked = <O extends Operation.Operation>(caller: Caller.Identity, operation: O): answer.AnswerTo<O> => {
    const [first, ...others] = Operation.repositories(operation)
    // An operation that touches no repository is about all of them: none goes unasked.
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
        from === undefined ? Exit.succeed(false) : may({ caller, operation, repository: from, action: "pull" })
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
        const own = Stream.mapChunksEffect(
          Stream.rechunk(names, concurrency),
          (some) => Effect.map(Effect.filter(some, readable, { concurrency }), Chunk.unsafeFromArray)
        )
        return atMost(own, limit)
      })
    )
  }

  const callerOf = byCaller ? Caller.Caller : Effect.succeed(Caller.anonymous)

  const row = <O extends Operation.Operation>(
    f: (caller: Caller.Identity, operation: O) => answer.AnswerTo<O>
  ) =>
  (operation: O): answer.AnswerTo<O> => Effect.flatMap(callerOf, (caller) => f(caller, operation))

  const authorized = Handler.override(
    (operation) => Effect.flatMap(callerOf, (caller) => asked(caller, operation)),
    { MountBlob: row(mount), ListRepositories: row(catalog === "each" ? listEach : asked) }
  )
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
 * A layer that authorizes what is asked of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Authorizes what is asked of the registry of a layer.
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
 * // Everyone pulls, and who has a name pushes below it.
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
