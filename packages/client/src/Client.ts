/**
 * A client: a registry over HTTP.
 *
 * @since 0.1.0
 */
import * as Auth from "@effect-oci/auth/Auth"
import type * as Challenge from "@effect-oci/auth/Challenge"
import * as Handler from "@effect-oci/core/Handler"
import * as Reference from "@effect-oci/core/Reference"
import { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as UploadIds from "@effect-oci/core/UploadIds"
import * as Response from "@effect-oci/protocol/Response"
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
import * as wholeLists from "./internal/wholeLists.js"
import { writer } from "./internal/writer.js"

/**
 * The largest manifests and pages that the client reads or sends, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** The largest manifest that the client pulls. Default: 8 MiB. */
  readonly manifest?: number | undefined
  /** The largest manifest that the client pushes. Default: 4 MiB, which every registry accepts. */
  readonly pushedManifest?: number | undefined
  /** The largest page of a list that the client reads. Default: 4 MiB. */
  readonly page?: number | undefined
}

/**
 * Options for a client: which registry it calls, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The registry's host: `registry.example.com`, `localhost:5000`, `[::1]:5000`. Docker Hub's host is
   * `registry-1.docker.io`.
   */
  readonly host: string
  /** Whether to use plain HTTP. Anyone on the network path can read it. Default: `false`. */
  readonly insecure?: boolean | undefined
  /** The path before `/v2`, for a registry that is not at the root of its host: `/mirror`. */
  readonly path?: string | undefined
  /**
   * The path of the API itself, for a registry that has no `/v2`: `/artifactory/api/docker/remote`. Default: `/v2` below
   * `path`.
   */
  readonly apiPath?: string | undefined
  /** How many items of a list the client requests at a time. Default: 1000. */
  readonly pageSize?: number | undefined
  /** How many pages a list may have. Default: 10,000. */
  readonly maxPages?: number | undefined
  /**
   * How many items the client sorts if the registry returns a list out of order. A longer list of that kind fails with
   * `ResponseInvalid`. Default: 100,000.
   */
  readonly maxSorted?: number | undefined
  readonly limits?: Limits | undefined
  /** Whether to push a blob in one request if the registry supports it. Not every registry does. Default: `false`. */
  readonly singlePost?: boolean | undefined
  /**
   * The size of the chunks in which the client pushes larger blobs, in bytes. Set it if a proxy in front of the
   * registry limits the size of requests. The client keeps one chunk in memory. Default: a blob is sent whole.
   */
  readonly chunkSize?: number | undefined
  /** How long the registry may take to answer, and to send each 16 KiB of an answer. Default: 60 seconds. */
  readonly idle?: Duration.DurationInput | undefined
  /**
   * How long the registry may take to commit a blob, a chunk or a manifest after the client has sent all of it.
   * Default: 10 minutes, or `idle` if that is longer.
   */
  readonly commitTimeout?: Duration.DurationInput | undefined
  /**
   * Whether the registry may direct uploads to another scheme, host or port, as the
   * [spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs) allows. The client
   * never sends credentials there. See CVE-2026-50151. Default: `true`.
   */
  readonly foreignUploads?: boolean | undefined
  /**
   * The key that signs the ids of uploads: at least 16 random characters. The client binds each id to the repository
   * where the upload was opened, and answers `BlobUploadUnknown` for any other repository. Processes that continue each
   * other's uploads must share the key. Default: a random key for each process. An empty key is a `RangeError`.
   */
  readonly uploadKey?: Redacted.Redacted<string> | undefined
}

/**
 * Options for the transports that {@link layer} adds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportOptions {
  readonly userAgent?: string | undefined
  /** How many redirects of one request the client follows. Default: 10. */
  readonly maxRedirects?: number | undefined
  /**
   * How the client authenticates to the registry and its token servers. It uses the `Credentials` that are provided, or
   * is anonymous. `false` turns authentication off.
   */
  readonly auth?: Omit<Auth.Options, "origin"> | false | undefined
  /** Which requests the client sends again, and when. */
  readonly retry?: Retry.Options | undefined
  /** How fast the client sends requests to each host. */
  readonly pace?: Pace.Options | undefined
  /**
   * The hosts that the registry may lead to although they are at an address of this machine or of a private network:
   * `minio.corp`, `10.0.0.6:9000`. `true` allows all. Default: only the registry's own host.
   */
  readonly allowPrivate?: boolean | ReadonlyArray<string> | undefined
  /** How requests are logged. Default: at the level `Debug`. */
  readonly log?: WireLog.Options | undefined
  /** Receives the warnings of the registry (`Warning` header), each text once. Default: logs them. */
  readonly onNotice?: ((notice: Warnings.Notice) => Effect.Effect<void>) | undefined
}

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
 * Creates the handler of a registry over the HTTP client, without any transports. Fails with a `SyntaxInvalid` if the
 * host is not valid.
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
    const idleTimers = yield* IdleTimer.make(Duration.decode(options.idle ?? defaultIdle))
    const exchange = exchanges.make({
      registry,
      origin,
      apiPath: apiPathOf(options),
      // The platform's span of a request contains the whole URL and the headers. `Tracing` creates a span for the
      // operation.
      client: HttpClient.withTracerDisabledWhen(client, constTrue),
      idleTimers,
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
 * Creates the handler of a registry over the HTTP client, within the transports of {@link transport}. Fails with a
 * `SyntaxInvalid` if the host is not valid.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options & TransportOptions
): Effect.Effect<Handler.Handler, SyntaxInvalid, HttpClient.HttpClient> =>
  Effect.flatMap(transport(options), (wrap) => Effect.updateService(makeBare(options), HttpClient.HttpClient, wrap))

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

const layerOf = <E>(
  handler: Effect.Effect<Handler.Handler, E, HttpClient.HttpClient>
): Layer.Layer<Registry, E, HttpClient.HttpClient> => Layer.effect(Registry, Effect.map(handler, Registry.fromHandler))

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
  layerOf(Effect.orDie(make(options)))

/**
 * Creates a layer of a registry over HTTP without any transports. Use it if your HTTP client already handles redirects,
 * credentials and everything else.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBare = (options: Options): Layer.Layer<Registry, never, HttpClient.HttpClient> =>
  layerOf(Effect.orDie(makeBare(options)))

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
  layerOf(
    Effect.flatMap(Config.unwrap(options), (options) =>
      Effect.mapError(make(options), (error) => ConfigError.InvalidData(["host"], error.message)))
  )
