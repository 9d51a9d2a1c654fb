import { AuthScope, Body, Operation } from "@effect-oci/core"
import * as Request from "@effect-oci/protocol/Request"
import * as Route from "@effect-oci/protocol/Route"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"

/** A request to a registry. */
export interface RegistryRequest {
  readonly kind: "registry"
  /** The origin of the registry, and the path before its API if there is one. */
  readonly registry: string
  /** The path before the API. */
  readonly prefix: string
  readonly method: string
  /** The path and the query, with `{id}` in place of the id of an upload session. */
  readonly path: string
  readonly route: Route.Route
  /** The operation, without its body. `undefined` if the request is a ping, or not valid. */
  readonly operation: Operation.Operation | undefined
  readonly scope: AuthScope.AuthScope
}

/** A request for a token, or a request that is neither: the target of a redirect. */
export interface OtherRequest {
  readonly kind: "token" | "other"
  readonly registry: string
  readonly method: string
  readonly path: string
  readonly scope: AuthScope.AuthScope
}

/** The query parameters that belong to a request. All others may be secret. */
const shown = new Set(["n", "last", "mount", "from", "digest", "digest-algorithm", "tag", "artifactType"])

const queryOf = (url: URL): string => {
  const query = Array.from(url.searchParams).filter(([name]) => shown.has(name))
  return query.length === 0 ? "" : `?${query.map(([name, value]) => `${name}=${value}`).join("&")}`
}

const pathOf = (url: URL, route: Route.Route): string =>
  `${route._tag === "Upload" ? Route.format({ ...route, id: "" }) + "{id}" : Route.format(route)}${queryOf(url)}`

/** Returns the scope of a request whose operation is not valid. */
const scopeOfRoute = (method: string, route: Route.Route): AuthScope.AuthScope => {
  if (route._tag === "Base") return AuthScope.empty
  if (route._tag === "Catalog") return AuthScope.catalog
  if (method === "GET" || method === "HEAD") return AuthScope.repository(route.name, "pull")
  return method === "DELETE" && route._tag !== "Upload"
    ? AuthScope.repository(route.name, "delete")
    : AuthScope.repository(route.name, "pull", "push")
}

const ofRegistry = (request: HttpClientRequest, url: URL, at: number, route: Route.Route): RegistryRequest => {
  const { method } = request
  const prefix = url.pathname.slice(0, at)
  const size = request.body._tag === "Empty" ? 0 : request.body.contentLength
  const decoded = Effect.runSyncExit(Request.decodeHead({
    method,
    target: `${url.pathname.slice(at)}${url.search}`,
    headers: request.headers,
    body: Body.withSize(Body.empty, size ?? 0)
  }))
  const operation = Exit.isSuccess(decoded) && decoded.value.operation._tag !== "Ping"
    ? decoded.value.operation
    : undefined
  return {
    kind: "registry",
    registry: `${url.origin}${prefix}`,
    prefix,
    method,
    path: pathOf(url, route),
    route,
    operation,
    scope: operation === undefined ? scopeOfRoute(method, route) : Operation.requiredScope(operation)
  }
}

const formOf = ({ body, method }: HttpClientRequest): URLSearchParams | undefined =>
  method === "POST" && body._tag === "Uint8Array" && body.contentType.startsWith("application/x-www-form-urlencoded")
    ? new URLSearchParams(new TextDecoder().decode(body.body))
    : undefined

const ofOther = (request: HttpClientRequest, url: URL): OtherRequest => {
  const { method } = request
  const fields = formOf(request) ?? (method === "GET" ? url.searchParams : new URLSearchParams())
  const isToken = fields.has("service") || fields.has("scope") || fields.has("grant_type")
  return {
    kind: isToken ? "token" : "other",
    registry: url.origin,
    method,
    path: isToken ? url.pathname : "",
    scope: AuthScope.canonical(AuthScope.parse(isToken ? fields.getAll("scope").join(" ") : ""))
  }
}

const urlOf = ({ hash, url, urlParams }: HttpClientRequest): URL | undefined =>
  Either.getOrUndefined(UrlParams.makeUrl(url, urlParams, hash))

/** Returns whether a registry redirected a request from one origin to another. */
export const isRedirected = (request: HttpClientRequest, from: string | undefined): boolean =>
  from !== undefined && URL.canParse(from) && new URL(from).origin !== urlOf(request)?.origin

/** Returns what a request asks for. `from` is the URL that redirected it. Returns `undefined` if its URL is not valid. */
export const describe = (
  request: HttpClientRequest,
  from: string | undefined
): RegistryRequest | OtherRequest | undefined => {
  const url = urlOf(request)
  if (url === undefined) return undefined
  if (isRedirected(request, from)) {
    return { kind: "other", registry: url.origin, method: request.method, path: "", scope: AuthScope.empty }
  }
  const at = `${url.pathname}/`.indexOf("/v2/")
  const route = at < 0 ? undefined : Route.parse(url.pathname.slice(at))
  return route === undefined ? ofOther(request, url) : ofRegistry(request, url, at, route)
}
