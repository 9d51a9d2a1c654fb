import * as Client from "@effect-oci/client/Client"
import { Body, Operation, RegistryError } from "@effect-oci/core"
import type { Digest, Handler, RepositoryName } from "@effect-oci/core"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as Redirect from "@effect-oci/transport/Redirect"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { blobsOf } from "./links.js"
import { Overlay } from "./overlay.js"
import type { RegistryRequest } from "./request.js"

/** The `Authorization` header of the request that is being answered. The reads that it causes send the same header. */
class Authorization extends Context.Reference<Authorization>()("@effect-oci/explain/Authorization", {
  defaultValue: (): string | undefined => undefined
}) {}

const authorized = Transport.make((request, send) =>
  Effect.flatMap(
    Authorization,
    (value) => send(value === undefined ? request : HttpClientRequest.setHeader(request, "authorization", value))
  )
)

/** The largest manifest that is read, in bytes. */
const maxManifest = 8 * 1024 * 1024

const sizeIn = (sizes: ReadonlyMap<string, number>, repository: RepositoryName.RepositoryName, digest: Digest.Digest) =>
  sizes.get(`${repository}@${digest}`)

/**
 * A registry that answers reads as the real one does, and writes itself: the real one receives no request that changes
 * it. The content of a blob is read from the real one when the program reads it, and not when the program opens it.
 */
export class Host {
  readonly #overlay: Overlay
  readonly #local: HttpClient.HttpClient
  /** The sizes of the blobs that a repository is known to have. */
  readonly #blobs: Map<string, number>
  /** The challenge of the real registry. `open` if it answered an anonymous caller. */
  #challenge: { readonly text: string } | "open" | undefined
  /** Whether the real registry lists referrers. */
  #listsReferrers: boolean | undefined

  private constructor(
    private readonly registry: string,
    private readonly real: HttpClient.HttpClient,
    next: Handler.Handler,
    blobs: Map<string, number>,
    private readonly sizes: Map<string, number>
  ) {
    this.#blobs = blobs
    this.#overlay = new Overlay(next, {
      sizeOf: (digest) => sizes.get(digest),
      blobOf: (repository, digest) => sizeIn(blobs, repository, digest)
    })
    const { length } = new URL(registry).pathname.replace(/\/$/, "")
    const answer = RegistryServer.make()(this.#overlay.handler)
    this.#local = RegistryServer.toHttpClient((request) =>
      Effect.flatMap(
        answer({ ...request, target: request.target.slice(length) }),
        (response) => this.#asReal(request.target.slice(0, length), response)
      )
    )
  }

  /** `sizes` are those of content that the manifests of all registries name. */
  static make({ prefix, registry }: RegistryRequest, base: HttpClient.HttpClient, sizes: Map<string, number>) {
    const real = authorized(Redirect.make()(base))
    const { host, protocol } = new URL(registry)
    return Client.makeBare({ host, path: prefix, insecure: protocol === "http:" }).pipe(
      Effect.provideService(HttpClient.HttpClient, real),
      Effect.map(({ handle }) => new Host(registry, real, handle, new Map(), sizes)),
      Effect.orDie
    )
  }

  /** Returns whether this host answers a request itself. */
  answers({ operation }: RegistryRequest): boolean {
    if (operation === undefined) return false
    return this.#overlay.covers(operation) ||
      (operation._tag === "GetBlob" && sizeIn(this.#blobs, operation.repository, operation.digest) !== undefined)
  }

  /** Answers a request. A write without credentials is answered with the challenge of the real registry. */
  answer(
    request: HttpClientRequest.HttpClientRequest,
    { operation }: RegistryRequest
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> {
    const { authorization } = request.headers
    const served = Effect.provideService(this.#local.execute(request), Authorization, authorization)
    if (authorization !== undefined || (operation !== undefined && Operation.isRead(operation))) return served
    return Effect.flatMap(
      this.#challengeOf(),
      (challenge) =>
        challenge === "open" ? served : Effect.succeed(HttpClientResponse.fromWeb(
          request,
          new Response(null, { status: 401, headers: { "www-authenticate": challenge.text } })
        ))
    )
  }

  /** Learns from an answer of the real registry, and returns it. */
  learn(
    { operation }: RegistryRequest,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> {
    this.#learnChallenge(response)
    if (operation === undefined) return Effect.succeed(response)
    if (operation._tag === "ListReferrers" && (response.status === 200 || response.status === 404)) {
      this.#listsReferrers = response.status === 200
    }
    if (response.status !== 200) return Effect.succeed(response)
    if (operation._tag === "ResolveBlob") {
      const size = Number(response.headers["content-length"])
      if (Number.isSafeInteger(size)) this.#blobs.set(`${operation.repository}@${operation.digest}`, size)
    }
    return operation._tag === "GetManifest"
      ? this.#learnManifest(operation.repository, response)
      : Effect.succeed(response)
  }

  #learnChallenge({ headers, request, status }: HttpClientResponse.HttpClientResponse): void {
    const text = headers["www-authenticate"]
    if (status === 401 && text !== undefined) this.#challenge = { text }
    else if (status < 400 && request.headers["authorization"] === undefined) this.#challenge ??= "open"
  }

  /** Reads a manifest, because it names content with its size. */
  #learnManifest(repository: RepositoryName.RepositoryName, response: HttpClientResponse.HttpClientResponse) {
    const failed = (cause: unknown) =>
      new HttpClientError.ResponseError({ request: response.request, response, reason: "Decode", cause })
    const size = Number(response.headers["content-length"] ?? Number.NaN)
    const body = Body.stream(response.stream, { size: Number.isSafeInteger(size) ? size : undefined })
    const onLimit = () => new RegistryError.SizeInvalid({ reason: "the manifest is too large", limit: maxManifest })
    return Effect.map(Effect.mapError(Body.toBytes(body, { limit: maxManifest, onLimit }), failed), (bytes) => {
      for (const { digest, size } of blobsOf({ mediaType: response.headers["content-type"] ?? "", bytes })) {
        this.#blobs.set(`${repository}@${digest}`, size)
        this.sizes.set(digest, size)
      }
      const { headers, status } = response
      return HttpClientResponse.fromWeb(response.request, new Response(bytes as BodyInit, { status, headers }))
    })
  }

  #challengeOf(): Effect.Effect<{ readonly text: string } | "open"> {
    if (this.#challenge !== undefined) return Effect.succeed(this.#challenge)
    const ping = Effect.map(this.real.get(`${this.registry}/v2/`), (response) => this.#learnChallenge(response))
    return Effect.map(Effect.scoped(Effect.ignore(ping)), () => this.#challenge ??= "open")
  }

  /**
   * Completes the answer to a write. It says that the registry lists the referrers of a pushed manifest only if the real
   * registry does.
   */
  #asReal(prefix: string, response: Wire.Response): Effect.Effect<Wire.Response> {
    const { location, "oci-subject": subject, ...headers } = response.headers
    const named = location?.startsWith("/") === true ? { location: `${prefix}${location}` } : { location }
    const repository = /^\/v2\/(.+)\/manifests\//.exec(location ?? "")?.[1]
    if (subject === undefined || repository === undefined) {
      return Effect.succeed({ ...response, headers: { ...headers, ...named } })
    }
    const listed = this.#listsReferrers === undefined
      ? this.real.get(`${this.registry}/v2/${repository}/referrers/${subject}`).pipe(
        Effect.map(({ status }) => this.#listsReferrers = status === 200),
        Effect.scoped,
        Effect.orElseSucceed(() => false)
      )
      : Effect.succeed(this.#listsReferrers)
    return Effect.map(listed, (isListed) => ({
      ...response,
      headers: { ...headers, ...named, ...isListed ? { "oci-subject": subject } : {} }
    }))
  }
}
