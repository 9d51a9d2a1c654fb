import { printable } from "@effect-oci/core"
import * as Data from "effect/Data"

/**
 * The error for a folder that is not an image layout, or for a layout that is broken or hostile. The reason names the file.
 *
 * @since 0.1.0
 * @category errors
 */
export class LayoutInvalid extends Data.TaggedError("OciLayoutInvalid")<{
  readonly layout: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `cannot use ${printable(this.layout)} as an image layout: ${printable(this.reason)}`
  }
}
