import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import { printable } from "../Printable.js"
import type { RepositoryName } from "../RepositoryName.js"
import type { OperationTag } from "./operationTag.js"

/**
 * One error as a registry wrote it into an answer.
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
 * What every error may say of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface ErrorFields {
  /** What was asked. */
  readonly operation?: OperationTag | undefined
  /** Of which repository. */
  readonly repository?: RepositoryName | undefined
  /** Of which tag or digest. Never the id of an upload, which may hold state that nobody else should see. */
  readonly reference?: string | undefined
  /** Why, in words: the registry's own where it gave any. */
  readonly reason?: string | undefined
  /** The detail of the answer: JSON. */
  readonly detail?: unknown
  /** The HTTP status of the answer. */
  readonly status?: number | undefined
  /** The registry that answered: `host[:port]`. */
  readonly registry?: string | undefined
  /** All errors of the answer, the first one included. */
  readonly diagnostics?: ReadonlyArray<Diagnostic> | undefined
  /** How long the registry asks to be left alone, in milliseconds. */
  readonly retryAfter?: number | undefined
  readonly cause?: unknown
}

/** `team/app:v1`, `team/app@sha256:…`, `team/app`, or nothing. */
const target = (fields: ErrorFields): string => {
  const reference = fields.reference === undefined ? "" : printable(fields.reference, 200)
  if (fields.repository === undefined) return reference
  if (reference === "") return fields.repository
  return `${fields.repository}${reference.includes(":") ? "@" : ":"}${reference}`
}

const describe = (fields: ErrorFields, fallback: string): string => {
  const asked = [fields.operation, target(fields)].filter((part) => part !== undefined && part !== "").join(" ")
  const reason = fields.reason === undefined || fields.reason === "" ? fallback : printable(fields.reason)
  return asked === "" ? reason : `${asked}: ${reason}`
}

/** A class of errors of a registry. */
export interface ErrorClass<Tag extends string, Extra> {
  /** What this class says where nothing better is known. */
  readonly fallback: string
  new(fields: ErrorFields & Extra): Cause.YieldableError & { readonly _tag: Tag } & Readonly<ErrorFields & Extra>
}

/**
 * A class of error: its tag, and what it says where nothing better is known. Registries and hops between them do not
 * show in the message, so that an error reads the same wherever it was met.
 */
export const errorClass = <const Tag extends string, Extra extends object = object>(
  tag: Tag,
  fallback: string
): ErrorClass<Tag, Extra> => {
  const Base: new(fields: ErrorFields) => Cause.YieldableError & { readonly _tag: Tag } & ErrorFields = Data
    .TaggedError(tag)
  class RegistryErrorBase extends Base {
    static readonly fallback: string = fallback
    override get message(): string {
      return describe(this, fallback)
    }
    /** Without the cause, which may hold what is not for every reader of a log: a signed URL, a request's headers. */
    override toJSON(): object {
      const { _tag, cause: _, ...fields } = this
      return { _tag, message: this.message, ...fields }
    }
  }
  return RegistryErrorBase as never
}
