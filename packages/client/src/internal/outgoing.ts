import * as Body from "@effect-oci/core/Body"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import * as RequestBody from "@effect-oci/transport/RequestBody"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/** The body of a request that is being sent. */
export interface Outgoing {
  readonly body: HttpBody.HttpBody
  /** Returns the error of the body, if it failed. The platform does not report it reliably. */
  readonly failure: () => Cause.Cause<RegistryError.RegistryError> | undefined
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
export const make = (body: Body.Body | undefined, contentType: string | undefined): Effect.Effect<Outgoing> => {
  if (body === undefined || body.bytes?.byteLength === 0) return Effect.succeed(none)
  return body.bytes !== undefined && body.bytes.byteLength <= maxBytes
    ? Effect.succeed(inMemory(HttpBody.uint8Array(body.bytes, contentType)))
    : Effect.map(Source.fork, (fork) => native(body, contentType, fork))
}

/** Creates a body whose source stays native from its file to the socket. */
const native = (body: Body.Body, contentType: string | undefined, fork: Source.Fork): Outgoing => {
  let failure: Cause.Cause<RegistryError.RegistryError> | undefined
  let control: Source.Control | undefined
  const sized = body.size === undefined ? body : Body.exactly(body, body.size)
  const watched = Body.transform(sized, () => ({
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
