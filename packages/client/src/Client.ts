/**
 * A client: a registry over HTTP.
 *
 * @since 0.1.0
 */
import * as Auth from "@effect-oci/auth/Auth"
import type * as Challenge from "@effect-oci/auth/Challenge"
import { Credentials } from "@effect-oci/auth/CredentialsModel"
import * as Handler from "@effect-oci/core/Handler"
import * as LazyModule from "@effect-oci/core/LazyModule"
import * as Reference from "@effect-oci/core/Reference"
import { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as UploadIds from "@effect-oci/core/UploadIds"
import * as Response from "@effect-oci/protocol/ResponseDecoder"
import * as AddressGuard from "@effect-oci/transport/AddressGuard"
import * as Idle from "@effect-oci/transport/Idle"
import * as IdleTimer from "@effect-oci/transport/IdleTimer"
import * as Origin from "@effect-oci/transport/Origin"
import * as Pace from "@effect-oci/transport/Pace"
import * as Redirect from "@effect-oci/transport/Redirect"
import * as Retry from "@effect-oci/transport/Retry"
import * as Transport from "@effect-oci/transport/Transport"
import * as UserAgent from "@effect-oci/transport/UserAgent"
import * as Warnings from "@effect-oci/transport/Warnings"
import * as WireLog from "@effect-oci/transport/WireLog"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type { Options, TransportOptions } from "./ClientOptions.js"
import { isBrowser } from "./internal/browser.js"
import { HttpExchange } from "./internal/httpExchange.js"
import { lazyRows } from "./internal/lazyRows.js"
import type { lister } from "./internal/lister.js"
import * as pings from "./internal/ping.js"
import { processKey } from "./internal/processKey.js"
import { reader } from "./internal/reader.js"
import * as shares from "./internal/shared.js"
import type { writer } from "./internal/writer.js"

export type { Limits, Options, TransportOptions } from "./ClientOptions.js"

const defaultIdle = "60 seconds"

/**
 * Creates the transports of {@link layer}, composed into one. From the outside in: the log, warnings, authentication,
 * retries, redirects, pace, the user agent, the address guard, and the idle timeout. Requests to token servers go
 * through all transports inside authentication except redirects, because authentication follows redirects itself. Fails
 * with a `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category transports
 */
export const transport = (
  options: Options & TransportOptions
): Effect.Effect<Transport.Transport, SyntaxInvalid> =>
  Effect.gen(function*() {
    const { origin } = yield* originOf(options)
    const wire = Transport.compose(
      yield* Idle.make(options.idle ?? defaultIdle, options.commitTimeout),
      AddressGuard.make({ origin, allowPrivate: options.allowPrivate }),
      // A browser has its own, and a page may send another one only if the registry allows it (CORS).
      isBrowser() && options.userAgent === undefined ? identity : UserAgent.make(options.userAgent),
      Pace.make(options.pace)
    )
    const redirect = Redirect.make(options)
    const retry = Retry.make(options.retry)
    const observe = Transport.compose(Warnings.make(options.onNotice), WireLog.make(options.log))
    const authenticate: Auth.Authenticating = options.auth === false
      ? identity
      : yield* Auth.transport({ ...options.auth, origin })
    return (client) => {
      const wired = wire(client)
      return observe(authenticate(retry(redirect(wired)), retry(wired)))
    }
  })

const originOf = (
  options: Options
): Either.Either<{ readonly registry: string; readonly origin: string }, SyntaxInvalid> =>
  Either.map(Reference.parseHost(options.host), (registry) => ({
    registry,
    origin: new URL(`${options.insecure === true ? "http" : "https"}://${registry}`).origin
  }))

/** Returns the path of the API, without a slash at its end. */
const apiPathOf = ({ apiPath, path = "" }: Options): string =>
  (apiPath ?? `${path}/v2`).split("/").filter((part) => part !== "").map((part) => `/${part}`).join("")

/**
 * Creates a registry over the HTTP client, without any transports. Fails with a `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeBare = (
  options: Options
): Effect.Effect<Registry.Service, SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const { origin, registry } = yield* originOf(options)
    const home = yield* Effect.orDie(Effect.fromNullable(Origin.parse(origin)))
    const client = Transport.sameOrigin(home)(yield* HttpClient.HttpClient)
    const idleTimers = yield* IdleTimer.make(Duration.decode(options.idle ?? defaultIdle))
    const http = new HttpExchange({
      registry,
      origin,
      apiPath: apiPathOf(options),
      execute: Transport.executeIn(client),
      idleTimers,
      foreignUploads: options.foreignUploads ?? true,
      limits: {
        manifest: options.limits?.manifest ?? Response.defaultLimits.manifest,
        page: options.limits?.page ?? Response.defaultLimits.page
      }
    })
    const ids = UploadIds.make({
      issuer: ["client", origin, apiPathOf(options)],
      key: options.uploadKey ?? processKey()
    })
    const table = { ...reader(http), ...lazily(http, options) }
    return Registry.fromHandler(UploadIds.middleware(ids)(Handler.fromTable(table)))
  })

const writerModule = LazyModule.make(() => import("./internal/writer.js"))
const listerModule = LazyModule.make(() => import("./internal/lister.js"))

/** Returns the rows of a client that are loaded when it first writes or lists. */
const lazily = (http: HttpExchange, options: Options) => {
  const shared = shares.make()
  let lists: ReturnType<typeof lister> | undefined
  let writes: ReturnType<typeof writer> | undefined
  return {
    ...lazyRows(
      http,
      Effect.map(listerModule, ({ lister }) =>
        lists ??= lister(http, shared, {
          pageSize: options.pageSize ?? 1000,
          maxPages: options.maxPages ?? 10_000,
          maxSorted: options.maxSorted ?? 100_000
        })),
      ["ListRepositories", "ListTags", "ListReferrers"]
    ),
    ...lazyRows(
      http,
      Effect.map(writerModule, ({ writer }) =>
        writes ??= writer(http, shared, {
          singlePost: options.singlePost ?? false,
          chunkSize: options.chunkSize,
          maxPushedManifest: options.limits?.pushedManifest ?? 4 * 1024 * 1024
        })),
      [
        "PushBlob",
        "MountBlob",
        "StartUpload",
        "GetUpload",
        "AppendUpload",
        "CompleteUpload",
        "CancelUpload",
        "PushManifest",
        "DeleteBlob",
        "DeleteManifest",
        "DeleteTag"
      ]
    )
  }
}

/**
 * Creates a registry over the HTTP client, within the transports of {@link transport}. Fails with a `SyntaxInvalid` if the
 * host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import { RepositoryName, Tag } from "@effect-oci/core"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const one = yield* Client.make({ host: "one.example.com" })
 *   const other = yield* Client.make({ host: "other.example.com" })
 *   const { bytes, descriptor } = yield* one.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
 *   yield* other.pushManifest(RepositoryName.make("team/app"), {
 *     mediaType: descriptor.mediaType,
 *     bytes,
 *     tags: [Tag.make("v1")]
 *   })
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 */
export const make = (
  options: Options & TransportOptions
): Effect.Effect<Registry.Service, SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const wrap = yield* transport(options)
    const registry = yield* Effect.updateService(makeBare(options), HttpClient.HttpClient, wrap)
    const { dependsOnCaller } = yield* Credentials
    return dependsOnCaller === true && options.auth !== false
      ? Registry.fromHandler(Handler.dependingOnCaller(registry.handle))
      : registry
  })

/**
 * The answer of a registry that was reached and accepts the caller.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pong {
  /** `host[:port]` */
  readonly registry: string
  /**
   * The authentication schemes that the registry supports. If it requires none, the list is empty and the client did
   * not send any credentials.
   */
  readonly challenges: ReadonlyArray<Challenge.Challenge>
}

/**
 * Checks that a registry answers and accepts the caller. It uses the `Credentials` that are provided, as a login does,
 * or is anonymous. [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support),
 * end-1.
 *
 * - Fails with `Unauthorized` or `Denied` if the registry does not accept the caller.
 * - Fails with `ResponseInvalid` if the host is not a registry.
 * - Fails with a `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Credential, Credentials } from "@effect-oci/auth"
 * import { Client } from "@effect-oci/client"
 * import { Effect } from "effect"
 *
 * const login = (host: string, username: string, password: string) =>
 *   Client.ping({ host }).pipe(
 *     Effect.provide(Credentials.layerStatic({ [host]: Credential.basic(username, password) }))
 *   )
 * ```
 */
export const ping = (
  options: Options & TransportOptions
): Effect.Effect<Pong, RegistryError | SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const { origin, registry } = yield* originOf(options)
    const client = yield* HttpClient.HttpClient
    const idleTimers = yield* IdleTimer.make(Duration.decode(options.idle ?? defaultIdle))
    const wrapped = (auth: TransportOptions["auth"]) =>
      Effect.map(transport({ ...options, auth }), (wrap) => wrap(client))
    const challenges = yield* pings.ping(
      { registry, origin, url: `${origin}${apiPathOf(options)}/`, idleTimers },
      yield* wrapped(false),
      (challenge) => Effect.orDie(wrapped(options.auth === false ? false : { ...options.auth, known: { challenge } }))
    )
    return { registry, challenges }
  })

/**
 * Creates a layer of a registry over HTTP. Changes that the HTTP client makes to every request
 * (`HttpClient.mapRequest`), such as added headers, apply only to requests to the registry itself. A host that is not
 * valid is a mistake in the program, and a defect. For a host that comes from elsewhere use {@link layerConfig} or
 * {@link make}.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.flatMap(Registry, (registry) =>
 *   registry.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
 * ).pipe(
 *   Effect.provide(Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(FetchHttpClient.layer)))
 * )
 * ```
 */
export const layer = (options: Options & TransportOptions): Layer.Layer<Registry, never, HttpClient.HttpClient> =>
  Layer.effect(Registry, Effect.orDie(make(options)))

/**
 * Creates a layer of a registry over HTTP without any transports. Use it if your HTTP client already handles redirects,
 * credentials and everything else.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBare = (options: Options): Layer.Layer<Registry, never, HttpClient.HttpClient> =>
  Layer.effect(Registry, Effect.orDie(makeBare(options)))

/**
 * Creates a layer of a registry over HTTP whose options come from the configuration.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import { Config } from "effect"
 *
 * const registry = Client.layerConfig({ host: Config.string("REGISTRY_HOST") })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options & TransportOptions>
): Layer.Layer<Registry, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(
    Registry,
    Effect.flatMap(Config.unwrap(options), (options) =>
      Effect.mapError(make(options), (error) => ConfigError.InvalidData(["host"], error.message)))
  )
