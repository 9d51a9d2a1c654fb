import * as Answer from "@effect-oci/core/Answer"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RequestScope from "@effect-oci/core/RequestScope"
import type { ListOperation } from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/ResponseDecoder"
import type * as Wire from "@effect-oci/protocol/Wire"
import { complete, fromHttpClient } from "@effect-oci/transport/HttpFailure"
import type { IdleTimers } from "@effect-oci/transport/IdleTimer"
import { keepAlive } from "@effect-oci/transport/KeepAlive"
import * as RequestContext from "@effect-oci/transport/RequestContext"
import type * as Transport from "@effect-oci/transport/Transport"
import * as Headers from "@effect/platform/Headers"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { isBrowser } from "./browser.js"
import { Incoming } from "./incoming.js"
import * as outgoing from "./outgoing.js"

/** The result of an operation, or of a part of one. */
export type Result<A> = Effect.Effect<A, RegistryError.RegistryError>

/** How the client reaches the registry. */
export interface Settings {
  /** `host[:port]`, as errors contain it. */
  readonly registry: string
  readonly origin: string
  /** The path of the API. For most registries: `/v2`. */
  readonly apiPath: string
  readonly execute: Transport.SendIn
  readonly idleTimers: IdleTimers
  /** Whether the registry may direct uploads to another origin. */
  readonly foreignUploads: boolean
  readonly limits: Response.Limits
}

/**
 * Returns the headers of a request, without those that are `undefined`. A page may send `Upload-Offset` only to a registry
 * that allows this header by name (CORS), and few registries know it. A browser sends the same offset as `Content-Range`.
 */
const headersOf = (request: Wire.Request): Headers.Headers => {
  const present: Record<string, string> = {}
  for (const name in request.headers) {
    const value = request.headers[name]
    if (value !== undefined && !(name === "upload-offset" && isBrowser())) present[name] = value
  }
  // A compressed body would have another digest and another size than the requested one.
  if (request.method === "GET" || request.method === "HEAD") present["accept-encoding"] = "identity"
  return Headers.unsafeFromRecord(present)
}

/** The URL of a request, and the part of it that errors and logs may contain. */
interface Target {
  readonly url: string
  readonly shown: string
}

const uploadSession = /\/blobs\/uploads\/./

type SingleOperation = Exclude<Operation.Operation, ListOperation>

/** Turns operations into requests, and answers into results. */
export class HttpExchange {
  readonly origin: string
  readonly limits: Response.Limits

  constructor(private readonly settings: Settings) {
    this.origin = settings.origin
    this.limits = settings.limits
  }

  /** Returns the fields that errors of an operation contain. */
  fields(operation: Operation.Operation): RegistryError.ErrorFields {
    return { ...Operation.errorFields(operation), registry: this.settings.registry }
  }

  /**
   * Runs an operation with one request, and returns its result. If it is a part of another operation, errors have the
   * `fields` of that operation.
   */
  call<O extends SingleOperation>(operation: O, fields = this.fields(operation)): Result<Operation.ResultOf<O>> {
    return Effect.flatMap(this.send(operation, fields), (answer) => this.decode(operation, answer, fields))
  }

  /**
   * Sends the request of an operation, or another request that belongs to it. The caller must read or release the body
   * of the answer.
   */
  send(
    operation: Operation.Operation,
    fields: RegistryError.ErrorFields,
    request: Wire.Request = Request.encode(operation)
  ): Result<Incoming> {
    const { idleTimers, origin } = this.settings
    return Effect.suspend(() => {
      const target = locate(this.settings, request.target)
      if (RegistryError.isRegistryError(target)) return Effect.fail(RegistryError.withFields(target, fields))
      const bare = HttpClientRequest.modify(HttpClientRequest.get(target.url, { headers: headersOf(request) }), {
        method: request.method as HttpMethod
      })
      return Answer.matchEffect(outgoing.make(request.body, request.headers["content-type"]), {
        onFailure: (error) => Effect.fail(complete(error, fields)),
        onSuccess: (out) => {
          const sent = this.execute(
            operation,
            out.body._tag === "Empty" ? bare : HttpClientRequest.setBody(bare, out.body)
          )
          return Effect.matchEffect(out.body._tag === "Stream" ? Effect.onError(sent, () => out.stop) : sent, {
            onSuccess: (response) =>
              Effect.succeed(
                new Incoming(response, { method: request.method, url: target.shown, origin, fields, idleTimers })
              ),
            onFailure: (error) => {
              const failure = out.failure()
              return failure === undefined
                ? Effect.fail(fromHttpClient(error, fields, target))
                : Effect.failCause(Cause.map(failure, (error) => complete(error, fields)))
            }
          })
        }
      })
    })
  }

  /** Sends a request in a context with the scope that a token for the operation needs. */
  private execute(operation: Operation.Operation, request: HttpClientRequest.HttpClientRequest) {
    return Effect.withFiberRuntime<HttpClientResponse, HttpClientError>(({ currentContext }) => {
      const within = RequestContext.add(
        // `Tracing` creates a span for the operation. The platform's span contains the whole URL and the headers.
        RequestContext.make(currentContext, { untraced: true }),
        RequestScope.required,
        Operation.requiredScope(operation)
      )
      return this.settings.execute(request, request.method === "HEAD" ? keepAlive(within) : within)
    })
  }

  /** Decodes an answer to the result of an operation. */
  decode<O extends SingleOperation>(
    operation: O,
    answer: Incoming,
    fields: RegistryError.ErrorFields
  ): Result<Operation.ResultOf<O>> {
    return released(answer, Response.decode(operation, answer, fields, this.limits))
  }
}

/** Completes the errors of decoding an answer, and releases its body unless the result contains it. */
export const released = <A>(answer: Incoming, decoded: Result<A>): Result<A> => {
  const result = Effect.mapError(decoded, answer.explain)
  return answer.isOpened ? result : Effect.onExit(result, () => answer.release())
}

/**
 * Returns the URL of a target. A target that begins with `/v2/` is in the registry's API. Any other target is the
 * location of an upload.
 */
const locate = (
  { apiPath, foreignUploads, origin }: Settings,
  target: string
): Target | RegistryError.RegistryError => {
  if (target.startsWith("/")) {
    const url = `${origin}${target.startsWith("/v2/") ? `${apiPath}${target.slice("/v2".length)}` : target}`
    const end = url.indexOf("?")
    return { url, shown: uploadSession.test(url) ? origin : end < 0 ? url : url.slice(0, end) }
  }
  if (!URL.canParse(target)) {
    return new RegistryError.BlobUploadInvalid({
      reason: "the upload id is neither a path nor a URL: use the newest id that the registry returned"
    })
  }
  const url = new URL(target)
  if (url.protocol !== "https:" && (url.protocol !== "http:" || origin.startsWith("https:"))) {
    return new RegistryError.ResponseInvalid({
      reason: "the registry's answer breaks the protocol: it uses https, but it directs the upload to http"
    })
  }
  if (!foreignUploads && url.origin !== origin) {
    return new RegistryError.Refused({
      by: "Client",
      reason: `the registry directs the upload to another origin, ${url.origin}: set foreignUploads to allow it`
    })
  }
  url.username = ""
  url.password = ""
  return { url: url.href, shown: url.origin }
}
