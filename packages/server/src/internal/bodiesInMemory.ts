import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as byteBudget from "./byteBudget.js"

const refusal = () =>
  new RegistryError.TooManyRequests({
    reason: "the server holds too many bytes of requests and answers that are not complete; try again later",
    retryAfter: 1000
  })

/** Counts the bodies of one request in memory. */
export interface BodiesInMemory {
  /** Counts the request body while it is read into memory. If there is no room, the body fails. */
  readonly request: (body: Body.Body) => Body.Body
  /** Counts the body of a response until it is sent. If there is no room, returns a refusal in its place. */
  readonly response: (response: Wire.Response) => Wire.Response
  /** Makes a page of a list if there is room for the largest page. Otherwise refuses the request before the work. */
  readonly list: (maxBytes: number, make: () => Effect.Effect<Wire.Response>) => Effect.Effect<Wire.Response>
  /** Releases the bytes of the request. */
  readonly release: Effect.Effect<void>
}

/** `largest` is the size of the largest request body. More bytes do not count, because the reader of a body drops them. */
export const make = (limits: byteBudget.Limits, largest: number) => {
  const budget = byteBudget.make(limits)
  return (client: () => string): BodiesInMemory => {
    let received: byteBudget.Account | undefined
    return {
      request: (body) => {
        const account = received ??= budget.open(client())
        return Body.inspect(body, () => {
          let size = 0
          return {
            update: (chunk) => {
              size += chunk.byteLength
              return size > largest || account.take(chunk.byteLength) ? undefined : refusal()
            }
          }
        })
      },
      response: (response) => {
        const size = response.body?.bytes?.byteLength ?? 0
        if (size <= byteBudget.free) return response
        const account = budget.open(client())
        return account.take(size)
          ? { ...response, close: () => Effect.sync(account.release) }
          : ErrorBody.encode(refusal())
      },
      list: (maxBytes, make) =>
        budget.hasRoom(client(), maxBytes) ? make() : Answer.succeed(ErrorBody.encode(refusal())),
      release: Effect.sync(() => received?.release())
    }
  }
}
