/**
 * The error of every parser in this package.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { printable } from "./Printable.js"

/**
 * The fields of a {@link SyntaxInvalid}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fields {
  readonly expected:
    | "digest"
    | "repository name"
    | "tag"
    | "reference"
    | "registry"
    | "repository prefix"
    | "tag glob"
    | "descriptor"
    | "manifest"
    | "media type"
    | "platform"
  readonly text: string
  readonly reason: string
}

/**
 * A text that cannot be parsed: the expected thing, the text (escaped, and cut after 80 characters), and the reason.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import { Digest } from "@effect-oci/core"
 * import { Either } from "effect"
 *
 * const message = Digest.parse("sha256:abc").pipe(Either.flip, Either.map((error) => error.message))
 * ```
 */
export class SyntaxInvalid extends Data.TaggedError("OciSyntaxInvalid")<Fields> {
  constructor(fields: Fields) {
    super({ ...fields, text: printable(fields.text, 80) })
  }
  override get message(): string {
    return `invalid ${this.expected} "${this.text}": ${this.reason}`
  }
}
