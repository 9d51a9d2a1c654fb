import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import { complete, fromHttpClient } from "@effect-oci/transport/HttpFailure"
import type { IdleTimers } from "@effect-oci/transport/IdleTimer"
import { keepAlive } from "@effect-oci/transport/KeepAlive"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Incoming } from "./incoming.js"
import * as outgoing from "./outgoing.js"
import type { Outgoing } from "./outgoing.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** How the client reaches the registry. */
export interface Settings {
  /** `host[:port]`, as errors contain it. */
  readonly registry: string
  readonly origin: string
  /** The path of the API. For most registries: `/v2`. */
  readonly apiPath: string
  readonly client: HttpClient.HttpClient
  readonly idleTimers: IdleTimers
  /** Whether the registry may direct uploads to another origin. */
  readonly foreignUploads: boolean
  readonly limits: Response.Limits
}

/** Turns operations into requests, and answers into results. */
export interface Exchange {
  readonly origin: string
  /** Returns the fields that errors of an operation contain. */
  readonly fields: (operation: Operation.Operation) => RegistryError.ErrorFields
  /**
   * Sends the request of an operation, or another request that belongs to it. The caller must read or release the body
   * of the answer.
   */
  readonly send: (
    operation: Operation.Operation,
    fields: RegistryError.ErrorFields,
    request?: Wire.Request
  ) => Answer<Incoming>
  /**
   * Runs an operation with one request, and returns its result. If it is a part of another operation, errors have the
   * `fields` of that operation.
   */
  readonly call: <O extends Exclude<Operation.Operation, ListOperation>>(
    operation: O,
    fields?: RegistryError.ErrorFields
  ) => Answer<Operation.ResultOf<O>>
  /** Decodes an answer to the result of an operation. */
  readonly decode: <O extends Exclude<Operation.Operation, ListOperation>>(
    operation: O,
    answer: Incoming,
    fields: RegistryError.ErrorFields
  ) => Answer<Operation.ResultOf<O>>
  /** Decodes an answer to a page of a list. */
  readonly decodePage: <O extends ListOperation>(
    operation: O,
    answer: Incoming,
    fields: RegistryError.ErrorFields
  ) => Answer<Response.ReceivedPage<ItemOf<O>>>
}

/** Returns the headers of a request, without those that are `undefined`. */
const headersOf = (request: Wire.Request): Headers.Headers => {
  const present: Record<string, string> = {}
  for (const name in request.headers) {
    const value = request.headers[name]
    if (value !== undefined) present[name] = value
  }
  // A compressed body would have another digest and another size than the requested one.
  if (request.method === "GET" || request.method === "HEAD") present["accept-encoding"] = "identity"
  return Headers.unsafeFromRecord(present)
}

/** Provides the scope that a token needs for an operation to the transports. */
const requiring = <A, E>(operation: Operation.Operation, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(
    effect,
    (context: Context.Context<never>) => Context.add(context, AuthScope.required, Operation.requiredScope(operation))
  )

/** Where a request is sent, and the part of the URL that errors and logs may contain. */
interface Place {
  readonly url: string
  readonly shown: string
}

const session = /\/blobs\/uploads\/./

export const make = (settings: Settings): Exchange => {
  const { apiPath, client, foreignUploads, limits, origin, registry, idleTimers } = settings

  /**
   * Returns the URL of a target. A target that begins with `/v2/` is in the registry's API. Any other target is the
   * location of an upload.
   */
  const locate = (target: string): Place | RegistryError.RegistryError => {
    if (target.startsWith("/")) {
      const url = `${origin}${target.startsWith("/v2/") ? `${apiPath}${target.slice("/v2".length)}` : target}`
      const end = url.indexOf("?")
      return { url, shown: session.test(url) ? origin : end < 0 ? url : url.slice(0, end) }
    }
    if (!URL.canParse(target)) {
      return new RegistryError.BlobUploadInvalid({ reason: "the id of the upload is no location" })
    }
    const url = new URL(target)
    if (url.protocol !== "https:" && (url.protocol !== "http:" || origin.startsWith("https:"))) {
      return new RegistryError.ResponseInvalid({
        reason: "the registry's answer breaks the protocol: its upload is not on https, as the registry is"
      })
    }
    if (!foreignUploads && url.origin !== origin) {
      return new RegistryError.Refused({
        by: "Client",
        reason: `the registry has its uploads at ${url.origin}: the option foreignUploads allows it`
      })
    }
    url.username = ""
    url.password = ""
    return { url: url.href, shown: url.origin }
  }

  const execute = (request: HttpClientRequest.HttpClientRequest, out: Outgoing) => {
    const answer = client.execute(request)
    if (request.method === "HEAD") return keepAlive(answer)
    return request.body._tag === "Stream"
      ? Effect.onError(answer, () => Effect.fiberIdWith(out.stop))
      : answer
  }

  const send: Exchange["send"] = (operation, fields, request = Request.encode(operation)) =>
    Effect.suspend(() => {
      const place = locate(request.target)
      if (RegistryError.isRegistryError(place)) return Effect.fail(RegistryError.withFields(place, fields))
      const out = outgoing.make(request.body, request.headers["content-type"])
      const headers = headersOf(request)
      const bare = HttpClientRequest.modify(HttpClientRequest.get(place.url, { headers }), {
        method: request.method as HttpMethod
      })
      return Effect.matchEffect(
        requiring(
          operation,
          execute(out.body._tag === "Empty" ? bare : HttpClientRequest.setBody(bare, out.body), out)
        ),
        {
          onSuccess: (response) =>
            Effect.succeed(
              new Incoming(response, { method: request.method, url: place.shown, origin, fields, idleTimers })
            ),
          onFailure: (error) => {
            const failure = out.failure()
            return failure === undefined
              ? Effect.fail(fromHttpClient(error, fields, place))
              : Effect.failCause(Cause.map(failure, (error) => complete(error, fields)))
          }
        }
      )
    })

  const released = <A>(answer: Incoming, decoded: Answer<A>): Answer<A> => {
    const result = Effect.mapError(decoded, answer.explain)
    return answer.isOpened ? result : Effect.onExit(result, () => answer.release())
  }

  const fieldsOf = (operation: Operation.Operation) => ({ ...Operation.errorFields(operation), registry })

  const decode: Exchange["decode"] = (operation, answer, fields) =>
    released(answer, Response.decode(operation, answer, fields, limits))

  return {
    origin,
    fields: fieldsOf,
    send,
    decode,
    decodePage: (operation, answer, fields) => released(answer, Response.decodePage(operation, answer, fields, limits)),
    call: (operation, fields = fieldsOf(operation)) =>
      Effect.flatMap(send(operation, fields), (answer) => decode(operation, answer, fields))
  }
}
