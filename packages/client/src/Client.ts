/**
 * A client: a registry that is asked over HTTP.
 *
 * @since 0.1.0
 */
import * as Auth from "@effect-oci/auth/Auth"
import type * as Challenge from "@effect-oci/auth/Challenge"
import * as Origin from "@effect-oci/auth/Origin"
import * as Transport from "@effect-oci/auth/Transport"
import * as Handler from "@effect-oci/core/Handler"
import * as Reference from "@effect-oci/core/Reference"
import { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as UploadIds from "@effect-oci/core/UploadIds"
import * as Response from "@effect-oci/protocol/Response"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { constTrue, identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { deleter } from "./internal/deleter.js"
import * as exchanges from "./internal/exchange.js"
import { lister } from "./internal/lister.js"
import * as pings from "./internal/ping.js"
import { processKey } from "./internal/processKey.js"
import { reader } from "./internal/reader.js"
import * as referrersTags from "./internal/referrersTag.js"
import * as watches from "./internal/watch.js"
import * as wholeLists from "./internal/wholeLists.js"
import { writer } from "./internal/writer.js"
import * as AddressGuard from "./transport/AddressGuard.js"
import * as Idle from "./transport/Idle.js"
import * as Pace from "./transport/Pace.js"
import * as Redirect from "./transport/Redirect.js"
import * as Retry from "./transport/Retry.js"
import * as UserAgent from "./transport/UserAgent.js"
import * as Warnings from "./transport/Warnings.js"
import * as WireLog from "./transport/WireLog.js"

/**
 * The most that is read or sent at once, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** A manifest that is pulled: 8 MiB if not given. */
  readonly manifest?: number | undefined
  /** A manifest that is pushed: 4 MiB if not given, which every registry takes. */
  readonly pushedManifest?: number | undefined
  /** A page of a list: 4 MiB if not given. */
  readonly page?: number | undefined
}

/**
 * Where a registry is, and how it is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `registry.example.com`, `localhost:5000`, `[::1]:5000`. Docker Hub's is `registry-1.docker.io`. */
  readonly host: string
  /** Whether to speak plain HTTP, which shows everything to everybody on the way. */
  readonly insecure?: boolean | undefined
  /** The path that the API lies below, for a registry that is not at the root of its host: `/mirror`. */
  readonly path?: string | undefined
  /**
   * The path of the API itself, for a registry that has no `/v2`: `/artifactory/api/docker/remote`. Default: `/v2` below
   * `path`.
   */
  readonly apiPath?: string | undefined
  /** How many items of a list are asked for at a time: 1000 if not given. */
  readonly pageSize?: number | undefined
  /** How many pages a list may have: 10 000 if not given. */
  readonly maxPages?: number | undefined
  /**
   * How many items the client sorts where the registry returns a list out of order. A longer list of that kind fails with
   * `ResponseInvalid`. Default: 100,000.
   */
  readonly maxSorted?: number | undefined
  readonly limits?: Limits | undefined
  /** Whether a blob is pushed in one request where the registry takes it so. Not every one does. */
  readonly singlePost?: boolean | undefined
  /**
   * The size of the chunks, in bytes, in which a larger blob is pushed: for what lies between that takes no large
   * request. A chunk is held in memory. A blob goes out whole if not given.
   */
  readonly chunkSize?: number | undefined
  /** How long the registry may take to answer, and for every 16 KiB of an answer. Default: 60 seconds. */
  readonly idle?: Duration.DurationInput | undefined
  /**
   * How long the registry may take to commit a blob, a chunk or a manifest, once all of it is sent. Default: 10 minutes,
   * or `idle` if that is longer.
   */
  readonly commitTimeout?: Duration.DurationInput | undefined
  /**
   * Whether content may be uploaded to another scheme, host or port, where the registry has its uploads there: true if
   * not given, as the spec allows it. Credentials do not go there in any case. Spec: "Pushing blobs"; CVE-2026-50151.
   */
  readonly foreignUploads?: boolean | undefined
  /**
   * The key that signs the ids of uploads: at least 16 random characters. The client binds each id to the repository
   * where the upload was opened, and answers `BlobUploadUnknown` for any other. Processes that continue each other's
   * uploads share the key. Default: a random key for each process. An empty key is a `RangeError`.
   */
  readonly uploadKey?: Redacted.Redacted<string> | undefined
}

/**
 * The options of the transports that {@link layer} adds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportOptions {
  readonly userAgent?: string | undefined
  /** How many redirects are followed: 10 if not given. */
  readonly maxRedirects?: number | undefined
  /**
   * How the registry and its token servers are shown who asks, with the `Credentials` that are provided, or as nobody in
   * particular. `false` adds nothing.
   */
  readonly auth?: Omit<Auth.Options, "origin"> | false | undefined
  /** Which requests are sent again, and when. */
  readonly retry?: Retry.Options | undefined
  /** How fast requests go to each host. */
  readonly pace?: Pace.Options | undefined
  /**
   * The hosts that the registry may lead to though they are at an address of this machine or of a private network:
   * `minio.corp`, `10.0.0.6:9000`; `true` for all. None but its own if not given.
   */
  readonly allowPrivate?: boolean | ReadonlyArray<string> | undefined
  /** How requests are logged: at the level `Debug` if not given. */
  readonly log?: WireLog.Options | undefined
  /** What is done with what a registry says to people (`Warning`), each text once: it is logged if not given. */
  readonly onNotice?: ((notice: Warnings.Notice) => Effect.Effect<void>) | undefined
}

const defaultIdle = "60 seconds"

/**
 * The transports of {@link layer}, as one. From the outside in: the log, warnings, authentication, retries, redirects,
 * pace, the user agent, the guard of addresses, and the time-out of a silent registry. Token servers are asked through
 * all within authentication but redirects, which it follows itself. Fails with a `SyntaxInvalid` where the host is none.
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
      UserAgent.make(options.userAgent),
      Pace.make(options.pace)
    )
    const redirect = Redirect.make(options)
    const retry = Retry.make(options.retry)
    const told = Transport.compose(Warnings.make(options.onNotice), WireLog.make(options.log))
    const authenticate: Auth.Authenticating = options.auth === false
      ? identity
      : yield* Auth.transport({ ...options.auth, origin })
    return (client) => {
      const wired = wire(client)
      return told(authenticate(retry(redirect(wired)), retry(wired)))
    }
  })

const originOf = (
  options: Options
): Either.Either<{ readonly registry: string; readonly origin: string }, SyntaxInvalid> =>
  Either.try({
    try: () => {
      const { registry } = Reference.make({ registry: options.host, repository: RepositoryName.make("any") })
      return { registry, origin: new URL(`${options.insecure === true ? "http" : "https"}://${registry}`).origin }
    },
    catch: (error) => error as SyntaxInvalid
  })

/** Returns the path of the API, without a slash at its end. */
const apiPathOf = ({ apiPath, path = "" }: Options): string =>
  (apiPath ?? `${path}/v2`).split("/").filter((part) => part !== "").map((part) => `/${part}`).join("")

/**
 * The handler of a registry, over the HTTP client as it is. Fails with a `SyntaxInvalid` where the host is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeBare = (
  options: Options
): Effect.Effect<Handler.Handler, SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const { origin, registry } = yield* originOf(options)
    const home = yield* Effect.orDie(Origin.parse(origin))
    const client = Transport.homebound(home)(yield* HttpClient.HttpClient)
    const watch = yield* watches.make(Duration.decode(options.idle ?? defaultIdle))
    const exchange = exchanges.make({
      registry,
      origin,
      apiPath: apiPathOf(options),
      // The platform's span of a request says its whole URL and its headers. Tracing has one of the operation.
      client: HttpClient.withTracerDisabledWhen(client, constTrue),
      watch,
      foreignUploads: options.foreignUploads ?? true,
      limits: {
        manifest: options.limits?.manifest ?? Response.defaultLimits.manifest,
        page: options.limits?.page ?? Response.defaultLimits.page
      }
    })
    const referrersTag = referrersTags.make(exchange)
    const ids = UploadIds.make({
      issuer: ["client", origin, apiPathOf(options)],
      key: options.uploadKey ?? processKey()
    })
    const whole = wholeLists.make()
    const rows = {
      ...reader(exchange),
      ...writer(exchange, referrersTag, {
        singlePost: options.singlePost ?? false,
        chunkSize: options.chunkSize,
        maxPushedManifest: options.limits?.pushedManifest ?? 4 * 1024 * 1024
      }),
      ...deleter(exchange, referrersTag),
      ...lister(exchange, referrersTag, {
        pageSize: options.pageSize ?? 1000,
        maxPages: options.maxPages ?? 10_000,
        maxSorted: options.maxSorted ?? 100_000
      }, whole)
    }
    return UploadIds.middleware(ids)(Handler.fromTable({ ...rows, ...whole.dropping(rows) }))
  })

/**
 * The handler of a registry, over the HTTP client within the transports of {@link transport}. Fails with a
 * `SyntaxInvalid` where the host is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options & TransportOptions
): Effect.Effect<Handler.Handler, SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.flatMap(transport(options), (wrap) => Effect.updateService(makeBare(options), HttpClient.HttpClient, wrap))

/**
 * What a registry is like that could be reached, and let the caller in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pong {
  /** `host[:port]` */
  readonly registry: string
  /** How it wants to be shown who asks. Where it does not want to know, no credentials were tried. */
  readonly challenges: ReadonlyArray<Challenge.Challenge>
}

/**
 * Asks a registry whether it is there, and lets the caller in: with the `Credentials` that are provided, as a login
 * would, or as nobody in particular. Fails with `Unauthorized` or `Denied` where it does not, with `ResponseInvalid`
 * where there is no registry, and with a `SyntaxInvalid` where the host is none. Spec: "Determining Support", end-1.
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
    const watch = yield* watches.make(Duration.decode(options.idle ?? defaultIdle))
    const wrapped = (auth: TransportOptions["auth"]) =>
      Effect.map(transport({ ...options, auth }), (wrap) => wrap(client))
    const challenges = yield* pings.ping(
      { registry, origin, url: `${origin}${apiPathOf(options)}/`, watch },
      yield* wrapped(false),
      (challenge) => Effect.orDie(wrapped(options.auth === false ? false : { ...options.auth, known: { challenge } }))
    )
    return { registry, challenges }
  })

const layerOf = <E>(
  handler: Effect.Effect<Handler.Handler, E, HttpClient.HttpClient>
): Layer.Layer<Registry, E, HttpClient.HttpClient> => Layer.effect(Registry, Effect.map(handler, Registry.fromHandler))

/**
 * A registry over HTTP. What the HTTP client does to every request of its own (`HttpClient.mapRequest`), such as to add
 * headers, is done to those to the registry alone. A host that is none is a mistake in the program, and a defect: for one that comes from
 * elsewhere there are {@link layerConfig} and {@link make}.
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
  layerOf(Effect.orDie(make(options)))

/**
 * A registry over HTTP, of which nothing is added to the HTTP client: for those who bring redirects, credentials and
 * all the rest themselves.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBare = (options: Options): Layer.Layer<Registry, never, HttpClient.HttpClient> =>
  layerOf(Effect.orDie(makeBare(options)))

/**
 * A registry over HTTP, as the configuration says.
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
  layerOf(
    Effect.flatMap(Config.unwrap(options), (options) =>
      Effect.mapError(make(options), (error) => ConfigError.InvalidData(["host"], error.message)))
  )
