/**
 * What every parser of this package answers to a text that it does not take.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { printable } from "./internal/printable.js"

/**
 * A text that is not what it should be: which thing, the text (escaped and cut short), and why.
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
export class SyntaxInvalid extends Data.TaggedError("SyntaxInvalid")<{
  readonly expected: "digest" | "repository name" | "tag" | "reference" | "descriptor" | "manifest" | "media type"
  readonly text: string
  readonly reason: string
}> {
  override get message(): string {
    return `invalid ${this.expected} "${printable(this.text, 80)}": ${this.reason}`
  }
}
