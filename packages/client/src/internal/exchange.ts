import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { ItemOf, ListOperation } from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Incoming } from "./incoming.js"
import { keepAlive } from "./keepAlive.js"
import * as outgoing from "./outgoing.js"
import type { Outgoing } from "./outgoing.js"
import { complete, fromHttpClient } from "./transportError.js"
import type { Watch } from "./watch.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** What a registry is asked through. */
export interface Settings {
  /** `host[:port]`, as errors name it. */
  readonly registry: string
  readonly origin: string
  /** What stands before `/v2/`; empty for most. */
  /** The path of the API: `/v2`, or below another path. */
  readonly apiPath: string
  readonly client: HttpClient.HttpClient
  readonly watch: Watch
  /** Whether the registry may have its uploads at another origin. */
  readonly foreignUploads: boolean
  readonly limits: Response.Limits
}

/** How operations become requests, and answers their results. */
export interface Exchange {
  readonly origin: string
  /** What errors of an operation say of it. */
  readonly fields: (operation: Operation.Operation) => RegistryError.ErrorFields
  /**
   * Sends the request of an operation, or another that belongs to it; the answer's body is the caller's to read or to
   * release.
   */
  readonly send: (
    operation: Operation.Operation,
    fields: RegistryError.ErrorFields,
    request?: Wire.Request
  ) => Answer<Incoming>
  /** The result of an operation, by one request. Where it is part of another, the errors are `fields`'s. */
  readonly call: <O extends Exclude<Operation.Operation, ListOperation>>(
    operation: O,
    fields?: RegistryError.ErrorFields
  ) => Answer<Operation.ResultOf<O>>
  /** The result that an answer says. */
  readonly decode: <O extends Exclude<Operation.Operation, ListOperation>>(
    operation: O,
    answer: Incoming,
    fields: RegistryError.ErrorFields
  ) => Answer<Operation.ResultOf<O>>
  /** The page of a list that an answer says. */
  readonly decodePage: <O extends ListOperation>(
    operation: O,
    answer: Incoming,
    fields: RegistryError.ErrorFields
  ) => Answer<Response.ReceivedPage<ItemOf<O>>>
}

/** An absent header is one that is `undefined`. */
const headersOf = (request: Wire.Request): Headers.Headers => {
  const present: Record<string, string> = {}
  for (const name in request.headers) {
    const value = request.headers[name]
    if (value !== undefined) present[name] = value
  }
  // A body that is packed on the way would have neither the digest nor the size that are asked for.
  if (request.method === "GET" || request.method === "HEAD") present["accept-encoding"] = "identity"
  return Headers.unsafeFromRecord(present)
}

/** Says below what a token must allow for an operation. */
const requiring = <A, E>(operation: Operation.Operation, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(
    effect,
    (context: Context.Context<never>) => Context.add(context, AuthScope.required, Operation.requiredScope(operation))
  )

/** Where a request goes, and how much of that may be told. */
interface Place {
  readonly url: string
  readonly shown: string
}

const session = /\/blobs\/uploads\/./

export const make = (settings: Settings): Exchange => {
  const { apiPath, client, foreignUploads, limits, origin, registry, watch } = settings

  /** A target that begins with `/v2/` is in the registry's API. Others are where the registry has put an upload. */
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
            Effect.succeed(new Incoming(response, { method: request.method, url: place.shown, origin, fields, watch })),
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
