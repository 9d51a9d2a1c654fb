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
 * Returns a body that fails if its length differs from the declared length. On a connection that stays open, the client
 * would read extra bytes as the next response, and would take missing bytes from the next response.
 */
export const exactly = (body: Body.Body, size: number): Body.Body =>
  Body.inspect(body, () => Either.right(counter(size)), { size })
