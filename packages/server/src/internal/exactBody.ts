import * as Body from "@effect-oci/core/Body"
import { ResponseInvalid } from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"

const counter = (size: number): Body.Inspector => {
  let sent = 0
  return {
    update: (piece) => {
      sent += piece.byteLength
      return sent > size ? new ResponseInvalid({ reason: `content is longer than the ${size} bytes said` }) : undefined
    },
    end: () =>
      sent < size
        ? new ResponseInvalid({ reason: `content ended after ${sent} of the ${size} bytes said` })
        : undefined
  }
}

/**
 * The same body, which fails where it has not just the length that its response says. On a connection that goes on,
 * bytes beyond it would be read as the next response, and what is missing would be taken from there.
 */
export const exactly = (body: Body.Body, size: number): Body.Body =>
  Body.inspect(body, () => Either.right(counter(size)), { size })
