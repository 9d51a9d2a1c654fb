/**
 * Serves any registry over HTTP: as a function from requests to responses, or as an `HttpApp`.
 *
 * @since 0.1.0
 */
import type { Handler } from "@effect-oci/core/Handler"
import type * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as UploadIds from "@effect-oci/core/UploadIds"
import type { Guard } from "@effect-oci/guard/Guard"
import * as Page from "@effect-oci/protocol/Page"
import type * as ProxyNamespace from "@effect-oci/protocol/ProxyNamespace"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as browsers from "./internal/browsers.js"
import * as cors from "./internal/cors.js"
import * as httpClients from "./internal/httpClient.js"
import * as mounts from "./internal/mounts.js"
import * as platform from "./internal/platformAdapter.js"
import * as proxyNamespaces from "./internal/proxyNamespaces.js"
import * as quirks from "./internal/quirks.js"
import * as registryResponder from "./internal/registryResponder.js"
import type { Respond } from "./internal/totalResponse.js"
import type { Quirks } from "./Quirks.js"

/**
 * Options for serving a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The key that signs the upload ids in URLs: at least 16 random characters. The signature binds an id to its
   * repository and to the caller who opened the upload session. Servers of one registry must share the key: otherwise an
   * upload session is unknown to all servers but one. Of several keys, the first signs, and all verify: see
   * `UploadIds.Key` for how to replace a key. Throws a `RangeError` if a key is empty. Default: a random key for each
   * server, so an upload session cannot be resumed after the process ends.
   */
  readonly uploadKey?: UploadIds.Key | undefined
  /**
   * The size of the largest manifest that the server accepts, in bytes. The spec requires at least 4 MiB. Default: 4
   * MiB.
   */
  readonly maxManifestBytes?: number | undefined
  /**
   * Returns the address of the client that sent a request. Limits per caller use this address. Default: the address of
   * the connection. Behind a proxy all requests come from the address of the proxy: read the header that the proxy
   * sets, and only if the proxy replaces what the client wrote there.
   */
  readonly address?: ((request: Wire.Request) => string | undefined) | undefined
  /** The largest page of a list, in items. Default: 1,000. */
  readonly maxPageSize?: number | undefined
  /**
   * The largest page of a list, in bytes. A page contains at least one item, however large the item is. Default: 4 MiB,
   * the largest page that the client of `@effect-oci/client` reads.
   */
  readonly maxPageBytes?: number | undefined
  /**
   * The maximum number of bytes that the server keeps in memory, for manifests that it receives, and for manifests and
   * pages of lists that it sends. The first 16 KiB of each are free. A request beyond this limit is refused with 429.
   * Default: 64 MiB.
   */
  readonly maxBytesInFlight?: number | undefined
  /** The part of `maxBytesInFlight` that the clients of one network may use, in bytes. Default: 16 MiB. */
  readonly maxBytesInFlightPerClient?: number | undefined
  /**
   * Returns another URL of a blob, such as a CDN or a presigned URL. The server redirects the client to that URL
   * (status 307). If the result is `undefined`, the server sends the blob itself. The server calls this function only for
   * blobs that the registry lets the caller see. Default: no redirects.
   */
  readonly redirect?:
    | ((operation: Operation.GetBlob) => Effect.Effect<URL | undefined, RegistryError>)
    | undefined
  /** Decides who may do what, such as `Guard.make` of `@effect-oci/guard`. Default: everyone may do everything. */
  readonly guard?: Guard | undefined
  /**
   * Other handlers on the same port, by path, such as the token service of `@effect-oci/guard` on `/token`. A path that
   * ends in a slash includes all paths below it, except `/`. The guard does not protect these paths. A path of the distribution API cannot be used. Default: none.
   */
  readonly mounts?: { readonly [path: `/${string}`]: Answer } | undefined
  /**
   * Which web pages may use the registry from a browser. A write that a page of another site makes a browser send is
   * refused with 403. Default: none.
   */
  readonly cors?: Cors | undefined
  /**
   * The host names by which browsers may reach the server, such as `registry.example.com`, with a port or for any port.
   * A request of a browser to another name is refused with 403, unless `cors` allows its page: a page can rebind its
   * own name to the address of the server (DNS rebinding). Addresses and `localhost` are always allowed, and programs
   * other than browsers may use any name. Default: none.
   */
  readonly hosts?: ReadonlyArray<string> | undefined
  /**
   * The registries that the server is a proxy for. A client such as containerd names one of them in the parameter `ns`,
   * and the server puts its prefix before the name of the repository: the guard and the registry see
   * `docker.io/library/alpine`. A request for any other registry is refused with 404. Throws a `RangeError` if the
   * option is not valid. Default: the parameter is ignored.
   */
  readonly namespaces?: ProxyNamespace.Options | undefined
  /** The quirks of another registry that the server imitates, for tests of clients. Default: none. */
  readonly quirks?: Quirks | undefined
}

/**
 * The web pages that may use the registry from a browser. Implements the [CORS
 * protocol](https://fetch.spec.whatwg.org/#http-cors-protocol). The server uses no cookies: a page sends its credentials
 * itself, in `Authorization`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cors {
  /**
   * The origins of the pages, as a browser sends them: `https://ui.example.com`, without a slash at the end. `"*"` allows
   * all pages, and turns off the checks of host names and of writes of other sites.
   */
  readonly origins: ReadonlyArray<string> | "*"
  /** How long a browser may cache the permission. Default: 1 hour. */
  readonly maxAge?: Duration.DurationInput | undefined
}

/**
 * A function from a plain request to an effect of a plain response, for adapters that you write. The effect never
 * fails: an error is a response too.
 *
 * The adapter must run the `close` of the response after the body is sent, or when the body will not be sent. The
 * adapter must run the effect uninterruptibly, so that no response is lost without its `close`. The effect allows
 * interruption where it waits.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = (request: Wire.Request) => Effect.Effect<Wire.Response>

/**
 * Creates a function that answers requests by calling a handler of operations.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): (handler: Handler) => Answer => {
  const settings = {
    uploadIds: UploadIds.urlSafe(UploadIds.make({ issuer: ["server"], key: options?.uploadKey })),
    maxManifestBytes: options?.maxManifestBytes ?? Request.defaultMaxManifestBytes,
    maxPageSize: options?.maxPageSize ?? Page.defaultSize,
    maxPageBytes: options?.maxPageBytes ?? Page.defaultBytes,
    bytesInFlight: {
      total: options?.maxBytesInFlight ?? 64 * 1024 * 1024,
      perClient: options?.maxBytesInFlightPerClient ?? 16 * 1024 * 1024
    },
    redirect: options?.redirect,
    guard: options?.guard,
    addressOf: options?.address ?? ((request: Wire.Request) => request.remoteAddress)
  }
  const quirky = options?.quirks === undefined ? identity : quirks.apply(options.quirks)
  const shared = options?.cors === undefined ? identity : cors.apply(options.cors)
  const sameSite = browsers.protect({ hosts: options?.hosts ?? [], origins: options?.cors?.origins ?? [] })
  const proxying = options?.namespaces === undefined ? identity : proxyNamespaces.apply(options.namespaces)
  const mounted = options?.mounts === undefined ? identity : mounts.apply(options.mounts)
  return (handler) => originForm(shared(sameSite(mounted(proxying(quirky(registryResponder.make(handler, settings)))))))
}

/** Lets a function that answers paths answer complete URLs too. Fetch handlers receive these. */
const originForm = (answer: Respond): Respond => (request) =>
  answer(request.target.startsWith("/") ? request : { ...request, target: Request.originForm(request.target) })

/**
 * Creates an app of `@effect/platform` that serves the registry, for any server or web handler. The app answers the
 * paths under `/v2/`. The spec does not allow another prefix. All methods, including HEAD, must reach the app. On Node,
 * `NodeRegistryServer` is several times faster.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RegistryServer } from "@effect-oci/server"
 * import { HttpRouter, HttpServer } from "@effect/platform"
 *
 * const server = HttpRouter.empty.pipe(
 *   HttpRouter.mountApp("/v2", RegistryServer.app(), { includePrefix: true }),
 *   HttpServer.serve()
 * )
 * ```
 */
export const app = (options?: Options): HttpApp.Default<never, Registry | Scope.Scope> => {
  const answer = make(options)
  return Effect.flatMap(Registry, (registry) => toHttpApp(answer(registry.handle)))
}

/**
 * Converts a function that answers plain requests to an app of `@effect/platform`, such as a token service on its own
 * path.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toHttpApp = (answer: Answer): HttpApp.Default<never, Scope.Scope> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => platform.handle(answer, request))

/**
 * Converts a function that answers plain requests to an HTTP client that sends its requests to this function, in this
 * process and without a socket. For tests, and for programs that put a client in front of a registry.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import type { Registry } from "@effect-oci/core"
 * import { RegistryServer } from "@effect-oci/server"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const overHttp = (registry: Registry["Type"]) =>
 *   Client.makeBare({ host: "registry.test" }).pipe(
 *     Effect.provideService(HttpClient.HttpClient, RegistryServer.toHttpClient(RegistryServer.make()(registry.handle)))
 *   )
 * ```
 */
export const toHttpClient = (answer: Answer): HttpClient.HttpClient => httpClients.make(answer)
