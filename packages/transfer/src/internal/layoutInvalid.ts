import { printable } from "@effect-oci/core"
import * as Data from "effect/Data"

/**
 * A folder is no image layout, or one that is broken or hostile: what is wrong, and with which file.
 *
 * @since 0.1.0
 * @category errors
 */
export class LayoutInvalid extends Data.TaggedError("LayoutInvalid")<{
  readonly layout: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `${printable(this.layout)} cannot be used as an image layout: ${printable(this.reason)}`
  }
}
