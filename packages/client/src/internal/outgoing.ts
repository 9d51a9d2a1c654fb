import * as Body from "@effect-oci/core/Body"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import * as RequestBody from "@effect-oci/transport/RequestBody"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as browser from "./browser.js"

/** The body of a request that is being sent. */
export interface Outgoing {
  readonly body: HttpBody.HttpBody
  /** Returns the error of the body, if it failed. The platform does not report it reliably. */
  readonly failure: () => Cause.Cause<RegistryError> | undefined
  /**
   * Ends the body when the request has ended. `fetch` does not cancel the stream of a body that it does not read to its
   * end.
   */
  readonly stop: Effect.Effect<void>
}

const inMemory = (body: HttpBody.HttpBody): Outgoing => ({ body, failure: () => undefined, stop: Effect.void })

const none = inMemory(HttpBody.empty)

/** Bytes that are longer than this are sent piece by piece, so that progress is visible. */
const maxBytes = 1024 * 1024

/**
 * Creates the body of a request. It fails if the body does not have the announced size: the registry would wait for the
 * rest of a body that ends early.
 */
export const make = (
  body: Body.Body | undefined,
  contentType: string | undefined
): Effect.Effect<Outgoing, RegistryError> => {
  if (body === undefined || body.bytes?.byteLength === 0) return Effect.succeed(none)
  const whole = (bytes: Uint8Array) => inMemory(HttpBody.uint8Array(bytes, contentType))
  if (body.bytes !== undefined && (body.bytes.byteLength <= maxBytes || browser.isBrowser())) {
    return Effect.succeed(whole(body.bytes))
  }
  if (browser.isBrowser()) return Effect.map(Body.toBytes(sized(body), browser.limit), whole)
  return Effect.map(Source.fork, (fork) => native(body, contentType, fork))
}

/** Returns the body with a check of its announced size. */
const sized = (body: Body.Body): Body.Body => body.size === undefined ? body : Body.exactly(body, body.size)

/** Creates a body whose source stays native from its file to the socket. */
const native = (body: Body.Body, contentType: string | undefined, fork: Source.Fork): Outgoing => {
  let failure: Cause.Cause<RegistryError> | undefined
  let control: Source.Control | undefined
  const watched = Body.transform(sized(body), () => ({
    fail: (error) => {
      failure = Cause.fail(error)
    },
    die: (cause) => {
      if (!Cause.isInterruptedOnly(cause)) failure = cause
    }
  }))
  const source = Body.toSource(watched, fork)
  const content = Body.fromSource((sink) => control = source(sink), body)
  return {
    body: RequestBody.make(content, contentType),
    failure: () => failure,
    stop: Effect.sync(() => control?.cancel())
  }
}
