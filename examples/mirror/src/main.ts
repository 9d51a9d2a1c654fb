/**
 * A mirror: a read-only registry that pulls from other registries and caches the content in a directory. The settings are environment
 * variables: see the README.
 */
import { Client } from "@effect-oci/client"
import { ReferenceSet, Registry, RepositoryName } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { Cache, Limit, Logging, Matured, ReadOnly, Retry, Route } from "@effect-oci/middleware"
import * as NodeCacheJournal from "@effect-oci/middleware/NodeCacheJournal"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { KeyValueStore } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Config, ConfigError, Console, Duration, Effect, Either, Layer, Logger, Schedule } from "effect"
import { join } from "node:path"

/** Parses an entry of `UPSTREAMS` into a member of the route. Errors do not contain the URL, which may have a password. */
const upstream = (text: string, index: number) =>
  Either.try({
    try: () => {
      const at = text.indexOf("=")
      const select = at < 0 ? ReferenceSet.all : ReferenceSet.prefix(text.slice(0, at).trim())
      const url = text.slice(at + 1).trim()
      if (!/^https?:[/][/]/.test(url) || !URL.canParse(url)) throw new Error("it is not an https:// or http:// URL")
      const { hash, host, password, pathname: path, protocol, search, username } = new URL(url)
      if (username + password + search + hash !== "") throw new Error("its URL has a user, a query or a fragment")
      const registry = Effect.mapError(
        Client.make({ host, path, insecure: protocol === "http:" }),
        ({ message }) => invalid(index, message)
      )
      return { name: host, select, registry: Layer.effect(Registry, registry) }
    },
    catch: (error) => invalid(index, (error as Error).message)
  })

const invalid = (index: number, reason: string) =>
  ConfigError.InvalidData(["UPSTREAMS"], `entry ${index + 1}: ${reason}; write prefix/=url, or url`)

const atLeastOne = (name: string, defaultValue: number) =>
  Config.integer(name).pipe(
    Config.validate({ message: "it must be 1 or more", validation: (value) => value > 0 }),
    Config.withDefault(defaultValue)
  )

const list = (name: string) =>
  Config.string(name).pipe(
    Config.withDefault(""),
    Config.map((text) => text.split(",").map((item) => item.trim()).filter((item) => item !== ""))
  )

const repositories = (name: string) =>
  Config.mapOrFail(
    list(name),
    (names) =>
      Either.mapLeft(Either.all(names.map(RepositoryName.parse)), ({ message }) =>
        ConfigError.InvalidData([name], message))
  )

const settings = Config.all({
  host: Config.string("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Config.integer("PORT").pipe(
    Config.validate({ message: "it must be 0 to 65535", validation: (port) => port >= 0 && port <= 65_535 }),
    Config.withDefault(5000)
  ),
  upstreams: Config.string("UPSTREAMS").pipe(
    Config.withDefault("dotnet/=https://mcr.microsoft.com,https://registry.k8s.io"),
    Config.mapOrFail((list) => Either.all(list.split(",").map(upstream)))
  ),
  directory: Config.string("DATA").pipe(Config.withDefault("data")),
  cacheMiB: atLeastOne("CACHE_MIB", 1024),
  downloads: atLeastOne("DOWNLOADS", 32),
  tagTimeToLive: Config.duration("TAG_TTL").pipe(Config.withDefault(Duration.minutes(5))),
  staleIfError: Config.duration("STALE_IF_ERROR").pipe(Config.withDefault(Duration.days(1))),
  minAge: Config.duration("MIN_AGE").pipe(Config.withDefault(Duration.zero)),
  trusted: Config.mapOrFail(list("TRUSTED"), (prefixes) =>
    Either.try({
      try: () => ReferenceSet.prefix(...prefixes),
      catch: (error) => ConfigError.InvalidData(["TRUSTED"], (error as Error).message)
    })),
  watched: repositories("WATCH")
})

type Settings = Config.Config.Success<typeof settings>

/** Serves only images of a minimum age. Looks every hour for new images in the watched repositories. */
const matured = ({ directory, minAge, trusted, watched }: Settings) =>
  Effect.map(
    Effect.provide(KeyValueStore.KeyValueStore, KeyValueStore.layerFileSystem(join(directory, "seen"))),
    (history) => {
      const watch = Effect.forEach(watched, (repository) =>
        Effect.catchAll(Matured.observe(repository), ({ message }) => Effect.logWarning(message)))
      const watching = Layer.scopedDiscard(Effect.forkScoped(Effect.repeat(watch, Schedule.spaced("1 hour"))))
      const wrap = Matured.wrap({ age: minAge, except: trusted, history })
      return <E, R>(registry: Layer.Layer<Registry, E, R>) =>
        Layer.provideMerge(watching, wrap(registry))
    }
  )

/** The last wrapper is the outermost: refused operations, and answers from the cache, are logged too. */
const mirror = Layer.unwrapEffect(Effect.gen(function*() {
  const all = yield* settings
  const { cacheMiB, directory, downloads, host, minAge, port, staleIfError, tagTimeToLive, upstreams } = all
  const maxBytes = cacheMiB * 1024 * 1024
  const store = Durable.layer({ directory, sparseManifests: true })
  // After a restart, the cache knows what the store contains, and which tags are valid.
  const journal = NodeCacheJournal.make(join(directory, "cache.ndjson"))
  const cached = Route.layer(upstreams).pipe(
    Limit.wrap({ concurrency: { reads: downloads } }),
    Retry.wrap(),
    Cache.wrap({ store, journal, maxBytes, staleIfError, tagTimeToLive })
  )
  const old = Duration.greaterThan(minAge, 0) ? (yield* matured(all))(cached) : cached
  return NodeRegistryServer.layer({ host, port }).pipe(Layer.provide(old.pipe(ReadOnly.wrap(), Logging.wrap())))
}))

const program = Effect.gen(function*() {
  const { authority } = yield* NodeRegistryServer.Address
  yield* Console.log(`mirror: serving on http://${authority}`)
  return yield* Effect.never
})

const logger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

program.pipe(
  Effect.provide(mirror.pipe(Layer.provide([NodeHttp.layer(), NodeContext.layer]), Layer.provideMerge(logger))),
  // The pretty message of a configuration error contains the name of the setting.
  Effect.tapError((error) => Console.error(`mirror: ${Cause.prettyErrors(Cause.fail(error))[0]?.message}`)),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true, disablePrettyLogger: true })
)
