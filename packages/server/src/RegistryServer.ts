/**
 * Any registry as an HTTP server: a function from requests to responses, and that function as an `HttpApp`.
 *
 * @since 0.1.0
 */
import type { Guard } from "@effect-oci/auth/Guard"
import type { Handler } from "@effect-oci/core/Handler"
import type * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as UploadIds from "@effect-oci/core/UploadIds"
import * as Page from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as answering from "./internal/answer.js"
import * as browsers from "./internal/browsers.js"
import * as cors from "./internal/cors.js"
import * as mounts from "./internal/mounts.js"
import * as platform from "./internal/platformAdapter.js"
import * as Quirks from "./Quirks.js"

/**
 * How a registry is served.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The key that signs the upload ids in URLs: at least 16 random characters. It binds an id to its repository and to
   * the caller who opened the upload. Servers that share a registry share the key. Default: a random key for each
   * server, so an upload ends with the process. An empty key is a `RangeError`.
   */
  readonly uploadKey?: Redacted.Redacted<string> | undefined
  /** The largest manifest that is taken, in bytes: 4 MiB if not given, which is the least that the spec allows. */
  readonly maxManifestBytes?: number | undefined
  /**
   * Returns the address that a request comes from, which limits per caller count by. Default: the address of the
   * connection. Behind a proxy all requests come from the address of the proxy: read the header that the proxy sets, and
   * only if the proxy replaces what the client wrote there.
   */
  readonly address?: ((request: Wire.Request) => string | undefined) | undefined
  /** The largest page of a list, in items: 1000 if not given. */
  readonly maxPageSize?: number | undefined
  /**
   * The largest page of a list, in bytes. A page has at least one item, however large the item is. Default: 4 MiB, the
   * largest page that our client reads.
   */
  readonly maxPageBytes?: number | undefined
  /**
   * The most bytes that the server holds in memory for manifests that it receives, and for manifests and pages of lists
   * that it sends. The first 16 KiB of each are free. A request beyond this limit is refused with 429. Default: 64 MiB.
   */
  readonly maxBytesInFlight?: number | undefined
  /** How much of `maxBytesInFlight` the clients of one network may use. Default: 16 MiB. */
  readonly maxBytesInFlightPerClient?: number | undefined
  /**
   * Where else a blob can be fetched, such as at a CDN or by a presigned URL: the client is sent there (status 307),
   * unless the answer is none. It is asked for blobs that the registry lets the caller see, and no others.
   */
  readonly redirect?:
    | ((operation: Operation.GetBlob) => Effect.Effect<Option.Option<URL>, RegistryError>)
    | undefined
  /** Who may do what, such as `Guard.make` of `@effect-oci/auth`: everyone everything if not given. */
  readonly guard?: Guard | undefined
  /**
   * What else is answered on the same port, by path (`/token`): such as the token service of `@effect-oci/auth`. No guard
   * stands before it, and no path of the distribution API can be taken.
   */
  readonly mounts?: { readonly [path: `/${string}`]: Answer } | undefined
  /**
   * Which web pages may use the registry from a browser. A write that a page of another site makes a browser send is
   * refused with 403. Default: none.
   */
  readonly cors?: Cors | undefined
  /**
   * The host names by which browsers may reach the server, such as `registry.example.com`, with a port or for any port.
   * A request of a browser to another name is refused with 403, unless `cors` allows its page: a page can rebind its own
   * name to the address of the server (DNS rebinding). Addresses and `localhost` are always allowed, and programs other
   * than browsers may use any name. Default: none.
   */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** How the server plays another, for tests of clients. */
  readonly quirks?: Quirks.Quirks | undefined
}

/**
 * Which web pages may use the registry from a browser, by their origins (`https://ui.example.com`), or all. Spec of
 * Fetch: "CORS protocol". Credentials are those that a page sends itself, in `Authorization`; there are no cookies.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cors {
  readonly origins: ReadonlyArray<string> | "*"
  /** How long a browser may remember what is allowed: an hour if not given. */
  readonly maxAge?: Duration.DurationInput | undefined
}

/**
 * From a plain request to an effect of a plain response, for adapters of one's own. It never fails: what goes wrong is
 * a response too. The response's `close` is to be run when its body has been sent, or will not be; lest a response get
 * lost with it, the effect is run uninterruptibly, and lets itself be interrupted where it waits.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = (request: Wire.Request) => Effect.Effect<Wire.Response>

/**
 * Answers requests by a handler of operations.
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
  const quirky = options?.quirks === undefined ? identity : Quirks.apply(options.quirks)
  const shared = options?.cors === undefined ? identity : cors.apply(options.cors)
  const sameSite = browsers.protect({ hosts: options?.hosts ?? [], origins: options?.cors?.origins ?? [] })
  const mounted = options?.mounts === undefined ? identity : mounts.apply(options.mounts)
  return (handler) => shared(sameSite(mounted(quirky(answering.make(handler, settings)))))
}

/**
 * The registry as an app of `@effect/platform`, for any server or web handler. It answers the paths under `/v2/`, which
 * cannot be moved: the spec fixes them. All methods must reach it, HEAD among them. On Node, `NodeRegistryServer` is
 * several times faster.
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
 * What answers plain requests, as an app of `@effect/platform`: a token service on a path of its own, for one.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toHttpApp = (answer: Answer): HttpApp.Default<never, Scope.Scope> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => platform.handle(answer, request))
