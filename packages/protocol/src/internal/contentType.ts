import * as MediaType from "@effect-oci/core/MediaType"
import type * as Wire from "../Wire.js"

/** RFC 9110, section 8.3.1, within the lengths of RFC 6838, section 4.2. */
const mediaType = /^[\w!#$%&'*+.^`|~-]{1,127}\/[\w!#$%&'*+.^`|~-]{1,127}$/

/** The media type that a header says, without its parameters, or `undefined` where it says none. */
export const contentType = (headers: Wire.Headers): string | undefined => {
  const type = MediaType.essence(headers["content-type"] ?? "")
  return mediaType.test(type) ? type : undefined
}
