/**
 * Fake servers and a fake network. A test defines the responses of a server, and reads the requests that it received.
 */
import { AuthScope, RegistryError } from "@effect-oci/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Deferred, Effect, FiberId } from "effect"
import type { Layer } from "effect"
import * as Stream from "effect/Stream"
import * as Auth from "../src/Auth.js"
import * as Credentials from "../src/Credentials.js"
import { fromUrl } from "../src/internal/requestScopes.js"

/** A request that a server received. */
export interface ReceivedRequest {
  readonly method: string
  readonly url: URL
  readonly authorization: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface FakeResponse {
  readonly status: number
  readonly headers?: Record<string, string> | undefined
  readonly body?: unknown
}

export type FakeServer = (received: ReceivedRequest) => FakeResponse | Effect.Effect<FakeResponse, unknown>

/** Creates an HTTP client that reaches only the given servers, and the list of the requests that they received. */
export const fakeNetwork = (servers: { readonly [origin: string]: FakeServer }) => {
  const received: Array<ReceivedRequest> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function*() {
      const respond = servers[url.origin]
      const body = request.body._tag === "Uint8Array"
        ? new TextDecoder().decode(request.body.body)
        : request.body._tag === "Stream"
        ? yield* Effect.orDie(Stream.mkString(Stream.decodeText(request.body.stream)))
        : ""
      const { authorization } = request.headers
      const receivedRequest = { method: request.method, url, authorization, headers: { ...request.headers }, body }
      received.push(receivedRequest)
      const response = respond === undefined ? Effect.fail({ code: "ENOTFOUND" }) : respond(receivedRequest)
      const { body: content, headers, status } = yield* Effect.isEffect(response)
        ? Effect.mapError(
          response,
          (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
        )
        : Effect.succeed(response)
      const text = content === undefined || typeof content === "string" ? content : JSON.stringify(content)
      const isEmpty = request.method === "HEAD" || [204, 304].includes(status)
      return HttpClientResponse.fromWeb(
        request,
        new Response(isEmpty ? null : text, headers === undefined ? { status } : { status, headers })
      )
    })
  )
  /** Returns the received requests as `GET https://host/path authorization`. */
  const lines = () =>
    received.map(({ authorization, method, url }) =>
      [method, `${url.origin}${url.pathname}`, ...(authorization === undefined ? [] : [authorization])].join(" ")
    )
  return { client, received, lines }
}

export const host = "registry.example.com"
export const registry = `https://${host}`
export const realm = "https://auth.example.com/token"

/**
 * A server that responds a second after it received a request. `received` ends when it has received one: until then, the
 * client may still load modules, for which the test's clock does not wait.
 */
export const slow = (respond: (request: ReceivedRequest) => FakeResponse) => {
  const first = Deferred.unsafeMake<void>(FiberId.none)
  const server: FakeServer = (request) =>
    Effect.zipRight(Deferred.succeed(first, undefined), Effect.delay(Effect.sync(() => respond(request)), "1 second"))
  return { server, received: Deferred.await(first) }
}

/** A request that a token server received. */
export interface TokenRequest {
  readonly method: string
  readonly authorization: string | undefined
  readonly service: string | null
  readonly account: string | null
  readonly scopes: ReadonlyArray<string>
  readonly form: Readonly<Record<string, string>>
}

export const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

/**
 * Creates a token server that issues `token-1`, `token-2` and so on, each for the requested scope. The result of
 * `extra` is added to the response, or replaces it.
 */
export const tokenServer = (
  extra: (tokenRequest: TokenRequest, count: number) => object | FakeResponse = () => ({})
) => {
  const tokenRequests: Array<TokenRequest> = []
  const granted = new Map<string, AuthScope.AuthScope>()
  const respond = ({ authorization, body, method, url }: ReceivedRequest): FakeResponse => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const scopes = method === "POST" ? [form["scope"] ?? ""] : url.searchParams.getAll("scope")
    const tokenRequest: TokenRequest = {
      method,
      authorization,
      service: url.searchParams.get("service"),
      account: url.searchParams.get("account"),
      scopes,
      form
    }
    tokenRequests.push(tokenRequest)
    const extraFields = extra(tokenRequest, tokenRequests.length)
    if ("status" in extraFields) return extraFields
    const token = `token-${tokenRequests.length}`
    granted.set(token, AuthScope.parse(scopes.join(" ")))
    return { status: 200, body: { token, ...extraFields } }
  }
  return { respond, tokenRequests, granted }
}

const actionsOf = (received: ReceivedRequest): AuthScope.AuthScope =>
  fromUrl({ method: received.method, url: received.url.href } as never)

/** Creates a registry that requires a token for the scope of the URL, and then responds `ok`. */
export const guarded = (
  granted: ReadonlyMap<string, AuthScope.AuthScope>,
  options: { readonly realm?: string; readonly scope?: (requiredScope: string) => string | undefined } = {}
): FakeServer =>
(received) => {
  const requiredScope = actionsOf(received)
  const grantedScope = granted.get(received.authorization?.replace(/^Bearer /, "") ?? "")
  if (grantedScope !== undefined && AuthScope.contains(grantedScope, requiredScope)) return { status: 200, body: "ok" }
  const scope = (options.scope ?? ((text) => text))(AuthScope.format(requiredScope))
  const error = received.authorization === undefined
    ? ""
    : `,error="${grantedScope === undefined ? "invalid_token" : "insufficient_scope"}"`
  return {
    status: 401,
    headers: {
      "www-authenticate": `Bearer realm="${options.realm ?? realm}",service="registry.example.com"${
        scope === undefined ? "" : `,scope="${scope}"`
      }${error}`
    },
    body: { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }
  }
}

/** Returns the `RegistryError` in the cause of a transport's error. */
export const errorOf = (error: unknown): RegistryError.RegistryError => {
  const { cause } = error as HttpClientError.RequestError
  if (!RegistryError.isRegistryError(cause)) throw new Error(`the cause is not a RegistryError: ${String(error)}`)
  return cause
}

/** Creates a network of a registry that requires tokens, and the token server that issues them. */
export const guardedNetwork = ({ granted, respond }: Pick<ReturnType<typeof tokenServer>, "granted" | "respond">) =>
  fakeNetwork({ [registry]: guarded(granted), "https://auth.example.com": respond })

/** Adds authentication to a client. */
export const authenticated = (
  client: HttpClient.HttpClient,
  credentials: Layer.Layer<Credentials.Credentials> = Credentials.layerAnonymous,
  options?: Auth.Options
) => Effect.map(Effect.provide(Auth.transport(options), credentials), (wrap) => wrap(client))
