import * as MediaType from "@effect-oci/core/MediaType"
import type * as Wire from "../Wire.js"

/** The media type that a header says, without its parameters, or `undefined` where it says none. */
export const contentType = (headers: Wire.Headers): string | undefined => {
  const type = MediaType.essence(headers["content-type"] ?? "")
  return MediaType.isValid(type) ? type : undefined
}
