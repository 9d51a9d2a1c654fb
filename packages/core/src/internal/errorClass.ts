import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type { ErrorClass, ErrorFields } from "../ErrorFields.js"
import { printable } from "../Printable.js"

/**
 * Creates a class of errors from its tag and its default reason. The message does not name registries and proxies, so
 * that an error has the same message wherever it occurs.
 */
export const errorClass = <const Tag extends `Oci${string}`, Extra extends object = object>(
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
    /**
     * Leaves out the cause, which may contain data that not every reader of a log may see, such as a signed URL or
     * request headers.
     */
    override toJSON(): object {
      const { _tag, cause: _, ...fields } = this
      return { _tag, message: this.message, ...fields }
    }
  }
  return RegistryErrorBase as never
}

/** Returns `team/app:v1`, `team/app@sha256:…`, `team/app`, or the empty string. */
const target = (fields: ErrorFields): string => {
  const reference = fields.reference === undefined ? "" : printable(fields.reference, 200)
  if (fields.repository === undefined) return reference
  if (reference === "") return fields.repository
  return `${fields.repository}${reference.includes(":") ? "@" : ":"}${reference}`
}

const describe = (fields: ErrorFields, fallback: string): string => {
  const request = [fields.operation, target(fields)].filter((part) => part !== undefined && part !== "").join(" ")
  const reason = fields.reason === undefined || fields.reason === "" ? fallback : printable(fields.reason)
  return request === "" ? reason : `${request}: ${reason}`
}
