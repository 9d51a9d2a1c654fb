import * as MediaType from "@effect-oci/core/MediaType"
import type * as Wire from "../Wire.js"

/** Returns the media type in the `Content-Type` header without its parameters, or `undefined` if there is none. */
export const contentType = (headers: Wire.Headers): string | undefined => {
  const type = MediaType.essence(headers["content-type"] ?? "")
  return MediaType.isValid(type) ? type : undefined
}
