/**
 * A program on Node that serves a registry until a signal stops it: settings, users with tokens, HTTPS, health, metrics,
 * logs, retention, and a stop without a failed request.
 *
 * @since 0.1.0
 */
import * as ReferenceSet from "@effect-oci/core/ReferenceSet"
import type { Registry } from "@effect-oci/core/Registry"
import * as AdminApi from "@effect-oci/guard/AdminApi"
import * as Guard from "@effect-oci/guard/Guard"
import * as IdTokens from "@effect-oci/guard/IdTokens"
import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
import type { Policy } from "@effect-oci/guard/Policy"
import type { RefreshTokens } from "@effect-oci/guard/RefreshTokens"
import * as Robots from "@effect-oci/guard/Robots"
import * as TokenService from "@effect-oci/guard/TokenService"
import * as TokenVerifier from "@effect-oci/guard/TokenVerifier"
import * as Users from "@effect-oci/guard/Users"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as Prometheus from "@effect-oci/server/Prometheus"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as Retention from "@effect-oci/store/Retention"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { PlatformError } from "@effect/platform/Error"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Health from "./Health.js"
import * as callers from "./internal/callers.js"
import type { Secrets } from "./NodeSecrets.js"
import * as Settings from "./Settings.js"

/**
 * The settings that every program has. Add tables for its stores.
 *
 * @since 0.1.0
 * @category settings
 */
export const tables = {
  server: {
    host: Settings.withDefault(Config.string, "127.0.0.1"),
    port: Settings.withDefault(Config.port, 5000),
    url: Settings.optional(Config.url),
    drain: Settings.withDefault(Config.duration, Duration.zero),
    shutdown: Settings.withDefault(Config.duration, Duration.seconds(30)),
    behindProxy: Settings.withDefault(Config.boolean, false)
  },
  tls: {
    certificate: Settings.optional(Config.string),
    key: Settings.optional(Config.string),
    clientAuthorities: Settings.optional(Config.string)
  },
  access: {
    users: Settings.optional(Config.string),
    admins: Settings.withDefault(Settings.strings, ["admin"]),
    public: Settings.withDefault(Settings.strings, ["public"])
  },
  admin: { enabled: Settings.withDefault(Config.boolean, true) },
  oidc: {
    issuers: Settings.withDefault(Settings.json(callers.issuers), []),
    audience: Settings.optional(Config.string),
    username: Settings.withDefault(Config.string, "oidc")
  },
  collector: {
    every: Settings.withDefault(Config.duration, Duration.minutes(15)),
    grace: Settings.withDefault(Config.duration, Duration.hours(24)),
    untagged: Settings.withDefault((key) => Config.literal("keep", "delete")(key), "keep")
  },
  uploads: {
    timeToLive: Settings.withDefault(Config.duration, Duration.hours(1)),
    perCaller: Settings.withDefault(Settings.count, 200)
  },
  retention: {
    every: Settings.withDefault(Config.duration, Duration.hours(24)),
    newest: Settings.optional(Settings.count),
    youngerThan: Settings.optional(Config.duration),
    keepTags: Settings.withDefault(Settings.strings, [])
  },
  metrics: { public: Settings.withDefault(Config.boolean, false) },
  log: {
    level: Settings.withDefault(Config.logLevel, LogLevel.Info),
    format: Settings.withDefault((key) => Config.literal("json", "logfmt", "pretty")(key), "logfmt")
  }
} satisfies Settings.Tables

/**
 * The values of {@link tables}.
 *
 * @since 0.1.0
 * @category settings
 */
export type CommonSettings = Settings.Values<typeof tables>

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly settings: CommonSettings
  readonly secrets: Secrets
  /**
   * Decides what a user may do, and what everyone may do. It is used only if `access.users` names a file of users, or
   * `oidc.issuers` has an issuer, or `tls.client_authorities` names a file.
   */
  readonly policy: Policy
  /** The checks of `/healthz`. If one fails, the program must be repaired or started again. Default: none. */
  readonly alive?: Health.Checks | undefined
  /** The checks of `/readyz`, in addition to `alive`. If one fails, no client should be sent here. Default: none. */
  readonly ready?: Health.Checks | undefined
  /**
   * The robots, which log in as users do. Users with the scope `Policy.admin` change them at `/admin/`, if
   * `admin.enabled` is set. Default: none.
   */
  readonly robots?: Robots.Robots | undefined
  /** The store of refresh tokens. Default: in memory. */
  readonly refreshTokens?: RefreshTokens | undefined
  /** Other handlers by path, such as a web page. See `RegistryServer`. Default: none. */
  readonly mounts?: NodeRegistryServer.Options["mounts"]
  /** Returns another URL of a blob. See `RegistryServer`. Default: no redirects. */
  readonly redirect?: NodeRegistryServer.Options["redirect"]
}

const isLocal = ({ remoteAddress = "" }: Wire.Request) => /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress)

/** Whether callers must prove who they are: otherwise, everyone may do everything. */
const isGuarded = ({ access, oidc, tls }: CommonSettings) =>
  access.users !== undefined || oidc.issuers.length > 0 || tls.clientAuthorities !== undefined

/** Users log in with their passwords, and workloads with ID tokens. Both receive tokens. */
const guardOf = ({ policy, refreshTokens, robots, secrets, settings }: Options, url: URL) =>
  Effect.gen(function*() {
    const { access: { users: path }, admin, oidc, server: { behindProxy } } = settings
    if (!isGuarded(settings)) return {}
    const people = path === undefined ? Users.none : yield* NodeHtpasswd.make({ path })
    const users = robots === undefined
      ? people
      : Users.route((name) => name.startsWith(Robots.prefix) ? robots.users : people)
    const keys = secrets.tokenKeys
    const issuer = url.origin
    const service = url.host
    const idTokens = oidc.issuers.length === 0 ? undefined : yield* IdTokens.make({
      issuers: oidc.issuers.map(callers.issuerOf),
      audience: oidc.audience ?? service,
      username: oidc.username
    }).pipe(Effect.provide(FetchHttpClient.layer))
    const address = behindProxy ? callers.forwardedFor : undefined
    const tokens = yield* TokenService.make({ issuer, service, keys, users, idTokens, policy, refreshTokens, address })
    const verify = yield* TokenVerifier.make({ issuer, audience: service, keys })
    const certificates = callers.userOf
    const access = { tokens: { verify, service, realm: `${issuer}/token` }, idTokens, policy, certificates }
    const authorize = Guard.authorize({ ...access, users, address })
    return {
      guard: Guard.make(access),
      mounts: {
        "/token": tokens.answer,
        "/.well-known/jwks.json": tokens.jwks,
        ...robots !== undefined && admin.enabled && { "/admin/": yield* AdminApi.make({ authorize, robots }) }
      }
    }
  })

const readTls = ({ tls: { certificate, clientAuthorities, key } }: CommonSettings) =>
  Effect.gen(function*() {
    if (certificate === undefined && key === undefined) return undefined
    if (certificate === undefined || key === undefined) {
      return yield* new Settings.SettingsInvalid({ message: "set both tls.certificate and tls.key, or none of them" })
    }
    const files = yield* FileSystem.FileSystem
    return {
      certificate: yield* files.readFileString(certificate),
      key: Redacted.make(yield* files.readFileString(key)),
      clientAuthorities: clientAuthorities === undefined ? undefined : yield* files.readFileString(clientAuthorities)
    }
  })

/**
 * Creates the handlers of `/healthz` and `/readyz` for everyone, and of `/metrics` for programs on this machine unless
 * `metrics.public` is set.
 */
const probes = ({ alive = {}, ready = {}, settings }: Options, isDraining: () => boolean) =>
  Effect.gen(function*() {
    const health = yield* Health.make(alive)
    const readiness = yield* Health.make(ready)
    const draining: Health.Report = { server: { problem: "it stops; send new requests to another node" } }
    const metrics = (request: Wire.Request) =>
      settings.metrics.public || isLocal(request)
        ? Prometheus.answer(request)
        : Effect.succeed(
          Health.respond(403, "text/plain", "the metrics are for programs on this machine: see metrics.public\n")
        )
    return {
      "/healthz": () => Effect.map(health, Health.toResponse),
      "/readyz": () =>
        Effect.zipWith(health, readiness, (one, other) =>
          Health.toResponse({ ...one, ...other, ...isDraining() && draining })),
      "/metrics": metrics
    }
  })

/** Serves the registry. At the end of the scope, reports that it is not ready, waits, and then stops. */
const serve = (options: Options) =>
  Effect.gen(function*() {
    const { server: { behindProxy, drain, host, port, shutdown, url: publicUrl } } = options.settings
    const tls = yield* readTls(options.settings)
    const url = publicUrl ?? new URL(`${tls === undefined ? "http" : "https"}://${host}:${port}`)
    const { guard, mounts } = yield* guardOf(options, url)
    let isDraining = false
    const address = yield* NodeRegistryServer.make({
      host,
      port,
      tls,
      guard,
      uploadKey: options.secrets.uploadKey,
      redirect: options.redirect,
      shutdownTimeout: shutdown,
      hosts: [url.host],
      mounts: { ...options.mounts, ...mounts, ...yield* probes(options, () => isDraining) },
      // The proxy limits its clients, and all connections are its own.
      ...behindProxy && { address: callers.forwardedFor, maxConnectionsPerClient: 10_000 }
    })
    yield* Effect.addFinalizer(() => {
      isDraining = true
      return Duration.equals(drain, Duration.zero) ? Effect.void : Effect.zipRight(
        Effect.annotateLogs(Effect.logInfo("stopping"), { drain: Duration.format(drain) }),
        Effect.sleep(drain)
      )
    })
    return address
  })

/**
 * The reasons why a program cannot serve.
 *
 * @since 0.1.0
 * @category errors
 */
export type ServeError =
  | Settings.SettingsInvalid
  | NodeRegistryServer.ListenError
  | PlatformError
  | Effect.Effect.Error<ReturnType<typeof NodeHtpasswd.make>>
  | IdTokens.IssuerInvalid

/**
 * Creates a layer that serves a registry, with its token service, `/healthz`, `/readyz` and `/metrics`.
 *
 * When the layer is released, `/readyz` answers 503 for the time `server.drain`, so that a load balancer sends no more
 * clients. Then the server accepts no connections, and open requests have the time `server.shutdown`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<NodeRegistryServer.Address, ServeError, Registry | FileSystem.FileSystem> =>
  Layer.scoped(NodeRegistryServer.Address, serve(options))

/**
 * Creates a layer that deletes old tags, if the settings have a rule. The collector deletes what is then without a tag.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRetention = (
  { retention: { every, keepTags, newest, youngerThan } }: CommonSettings
): Layer.Layer<never, never, MetadataStore> =>
  newest === undefined && youngerThan === undefined
    ? Layer.empty
    : Retention.layer({ every, newest, youngerThan, keep: ReferenceSet.tags(...keepTags) })

const loggers = {
  json: Logger.withConsoleError(Logger.jsonLogger),
  logfmt: Logger.withConsoleError(Logger.logfmtLogger),
  pretty: Logger.prettyLogger({ stderr: true })
}

/**
 * Creates a layer that writes the log to standard error, as the settings say.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLogger = ({ log }: CommonSettings): Layer.Layer<never> =>
  Layer.merge(Logger.replace(Logger.defaultLogger, loggers[log.format]), Logger.minimumLogLevel(log.level))

/**
 * A program: its settings, and the layer that serves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Program<S extends CommonSettings, E extends { readonly message: string }> {
  /** The name that errors begin with. */
  readonly name: string
  readonly settings: Effect.Effect<S, Settings.SettingsInvalid, FileSystem.FileSystem>
  readonly layer: (settings: S) => Layer.Layer<NodeRegistryServer.Address, E, NodeContext.NodeContext>
  /** Where the content is, for the log. */
  readonly place: (settings: S) => string
}

const serveForever = <S extends CommonSettings, E extends { readonly message: string }>(
  { layer, place }: Program<S, E>,
  settings: S
) =>
  Effect.gen(function*() {
    const { authority } = yield* NodeRegistryServer.Address
    yield* Effect.annotateLogs(Effect.logInfo("serving"), {
      authority,
      content: place(settings),
      access: isGuarded(settings) ? "users log in" : "everyone may push and delete"
    })
    return yield* Effect.never
  }).pipe(Effect.provide(layer(settings).pipe(Layer.provideMerge(layerLogger(settings)))))

/**
 * Runs a program until a signal stops it (Ctrl-C, SIGTERM). With the argument `--check`, reads the settings, prints them,
 * and ends.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <S extends CommonSettings, E extends { readonly message: string }>(program: Program<S, E>): void =>
  program.settings.pipe(
    Effect.flatMap((settings) =>
      process.argv.includes("--check")
        ? Console.log(Settings.toText(settings))
        : Effect.scoped(serveForever(program, settings))
    ),
    // The pretty message of a configuration error contains the name of the setting.
    Effect.tapError((error) => Console.error(`${program.name}: ${Cause.prettyErrors(Cause.fail(error))[0]?.message}`)),
    Effect.tapDefect((cause) => Console.error(`${program.name}: ${Cause.pretty(cause)}`)),
    Effect.provide(NodeContext.layer),
    (effect) => NodeRuntime.runMain(effect, { disableErrorReporting: true, disablePrettyLogger: true })
  )
