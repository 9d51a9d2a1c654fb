/**
 * Handlers: a registry as one function from operations to effects.
 *
 * @since 0.1.0
 */
import type { Answer } from "./Answer.js"
import type { Operation, OperationOf, OperationTag } from "./Operation.js"

/**
 * A registry as a function: it takes any operation and returns an effect with its result. A wrapper takes a handler and
 * returns another handler.
 *
 * A handler may have its answer at the moment of the call. Running that answer again gives the same result. To get a
 * new answer, call the handler again (see `Answer`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler {
  <O extends Operation>(operation: O): Answer<O>
}

/**
 * The function that handles one kind of operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Row<Tag extends OperationTag> = (operation: OperationOf<Tag>) => Answer<OperationOf<Tag>>

/**
 * A table with one function for each kind of operation.
 *
 * @since 0.1.0
 * @category models
 */
export type Table = { readonly [Tag in OperationTag]: Row<Tag> }

/**
 * The rows of a table for the operations that write.
 *
 * @since 0.1.0
 * @category models
 */
export type WriterTable = Pick<
  Table,
  | "PushBlob"
  | "MountBlob"
  | "StartUpload"
  | "GetUpload"
  | "AppendUpload"
  | "CompleteUpload"
  | "CancelUpload"
  | "PushManifest"
>

/**
 * Creates a handler from a table with one function for each operation. A table that lacks an operation does not
 * compile.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromTable = (table: Table): Handler => (operation) => {
  const row = table[operation._tag] as (operation: Operation) => Answer<never>
  return row(operation)
}

const perCaller = new WeakSet<Handler>()

/**
 * Marks a handler whose answers depend on the `Caller` of the operation, and returns it. A wrapper that shares answers
 * among callers, such as a cache, refuses to wrap a marked handler. `Handler.wrap`, `Handler.override`,
 * `Middleware.compose` and `Registry.layerMiddleware` keep the mark of what they wrap.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Caller, Handler } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const byTenant = (registryOf: (tenant: string | undefined) => Handler.Handler): Handler.Handler =>
 *   Handler.dependingOnCaller((operation) =>
 *     Effect.flatMap(Caller.Caller, ({ name }) => registryOf(name)(operation))
 *   )
 * ```
 */
export const dependingOnCaller = (handler: Handler): Handler => {
  perCaller.add(handler)
  return handler
}

/**
 * Returns whether a handler is marked as depending on the caller (see {@link dependingOnCaller}).
 *
 * @since 0.1.0
 * @category getters
 */
export const dependsOnCaller = (handler: Handler): boolean => perCaller.has(handler)

/**
 * Returns `handler`, and marks it if the answers of any of the `others` that it uses depend on the caller.
 *
 * @since 0.1.0
 * @category combinators
 */
export const builtOn = (handler: Handler, ...others: ReadonlyArray<Handler>): Handler =>
  others.some(dependsOnCaller) ? dependingOnCaller(handler) : handler

const forwarded: unique symbol = Symbol("forwarded")

/**
 * The row of an operation that {@link wrap} passes to the next handler.
 *
 * @since 0.1.0
 * @category models
 */
export type Forwarded = typeof forwarded

/**
 * Returns the rows of operations that {@link wrap} passes to the next handler unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const forward = <Tag extends OperationTag>(...tags: ReadonlyArray<Tag>): { readonly [T in Tag]: Forwarded } =>
  Object.fromEntries(tags.map((tag) => [tag, forwarded])) as { readonly [T in Tag]: Forwarded }

/**
 * Creates a handler that handles some operations itself and passes the others to `next`. Every operation must have a
 * row, so a wrapper that does not decide about an operation does not compile.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Answer, Handler, RegistryError } from "@effect-oci/core"
 * import type { Middleware } from "@effect-oci/core"
 *
 * const kept = new RegistryError.Refused({ by: "keepContent", reason: "content is kept" })
 *
 * const keepContent: Middleware.Middleware = (next) =>
 *   Handler.wrap(next, {
 *     ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest"),
 *     ...Handler.forward("PushBlob", "MountBlob", "PushManifest"),
 *     ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
 *     DeleteBlob: () => Answer.fail(kept),
 *     DeleteManifest: () => Answer.fail(kept),
 *     ...Handler.forward("DeleteTag", "ListRepositories", "ListTags", "ListReferrers")
 *   })
 * ```
 */
export const wrap = (
  next: Handler,
  rows: { readonly [Tag in OperationTag]: Row<Tag> | Forwarded }
): Handler =>
  builtOn((operation) => {
    const row = rows[operation._tag]
    return row === forwarded ? next(operation) : (row as (operation: Operation) => Answer<never>)(operation)
  }, next)

/**
 * Creates a handler that handles the operations in `rows` itself and passes all others to `next`, also operations that
 * are added later. For tests and small programs; a wrapper uses {@link wrap}.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Handler, RegistryError } from "@effect-oci/core"
 * import type { Middleware } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const keepBlobs: Middleware.Middleware = (next) =>
 *   Handler.override(next, {
 *     DeleteBlob: () => Effect.fail(new RegistryError.Refused({ by: "keepBlobs", reason: "blobs are kept" }))
 *   })
 * ```
 */
export const override = (next: Handler, rows: Partial<Table>): Handler =>
  builtOn((operation) => {
    const row = rows[operation._tag] as ((operation: Operation) => Answer<never>) | undefined
    return row === undefined ? next(operation) : row(operation)
  }, next)
