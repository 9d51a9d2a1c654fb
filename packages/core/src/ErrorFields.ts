/**
 * The fields of errors. Import them from `RegistryError`.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type { OperationTag } from "./OperationTag.js"
import type { RepositoryName } from "./RepositoryName.js"

/**
 * One error in the response of a registry, as written.
 *
 * @since 0.1.0
 * @category models
 */
export interface Diagnostic {
  readonly code: string
  readonly message?: string | undefined
  readonly detail?: unknown
}

/**
 * The fields that every error may have.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorFields {
  /** The operation that failed. */
  readonly operation?: OperationTag | undefined
  /** The repository of the operation. */
  readonly repository?: RepositoryName | undefined
  /** The tag or digest of the operation. Never the id of an upload, which may contain private state. */
  readonly reference?: string | undefined
  /** The reason as text: that of the registry, if it sent one. */
  readonly reason?: string | undefined
  /** The detail in the response: JSON. */
  readonly detail?: unknown
  /** The HTTP status of the response. */
  readonly status?: number | undefined
  /** The registry that responded: `host[:port]`. */
  readonly registry?: string | undefined
  /** All errors in the response, including the first one. */
  readonly diagnostics?: ReadonlyArray<Diagnostic> | undefined
  /** How long the registry asks the client to wait, in milliseconds. */
  readonly retryAfter?: number | undefined
  readonly cause?: unknown
}

/**
 * A class of registry errors, with the tag and the additional fields of the error.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorClass<Tag extends string, Extra> {
  /** The default reason in the message of this class. */
  readonly fallback: string
  new(fields: ErrorFields & Extra): Cause.YieldableError & { readonly _tag: Tag } & Readonly<ErrorFields & Extra>
}
