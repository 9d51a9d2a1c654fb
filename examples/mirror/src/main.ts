/**
 * A mirror: a read-only registry that pulls from other registries and caches the content in a directory. The settings are environment
 * variables: see the README.
 */
import type { Registry } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { Guard } from "@effect-oci/guard"
import { AsCaller, Cache, Limit, Logging, Matured, ReadOnly, Retry, Route } from "@effect-oci/middleware"
import * as NodeCacheJournal from "@effect-oci/middleware/NodeCacheJournal"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { KeyValueStore } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Duration, Effect, Layer, Logger, Option, Schedule } from "effect"
import { join } from "node:path"
import { settings } from "./settings.js"
import type { Settings } from "./settings.js"

/** After a restart, the cache knows what the store contains, and which tags are valid. */
const cache = ({ cacheMiB, callers, directory, staleIfError, tagTimeToLive }: Settings) => {
  const content = {
    store: Durable.layer({ directory, sparseManifests: true }),
    journal: NodeCacheJournal.make(join(directory, "cache.ndjson")),
    maxBytes: cacheMiB * 1024 * 1024
  }
  const stale = (byDefault: Duration.DurationInput) => Option.getOrElse(staleIfError, () => Duration.decode(byDefault))
  return callers === undefined
    ? Cache.wrap({ ...content, staleIfError: stale("1 day"), tagTimeToLive })
    : AsCaller.wrap({ ...content, staleIfError: stale(0), timeToLive: tagTimeToLive })
}

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
  const { callers, downloads, host, members, minAge, namespaces, port } = all
  const cached = Route.layer(members).pipe(
    Limit.wrap({ concurrency: { reads: downloads } }),
    Retry.wrap(),
    cache(all)
  )
  const old = Duration.greaterThan(minAge, 0) ? (yield* matured(all))(cached) : cached
  const registry = old.pipe(ReadOnly.wrap(), Logging.wrap())
  const guard = callers === undefined ? undefined : Guard.passThrough({ realm: callers })
  return NodeRegistryServer.layer({ host, port, namespaces, guard }).pipe(Layer.provide(registry))
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
  Effect.tapDefect((cause) => Console.error(`mirror: ${Cause.pretty(cause)}`)),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true, disablePrettyLogger: true })
)
