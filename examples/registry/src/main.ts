/**
 * Serves the registry until a signal stops it (Ctrl-C, SIGTERM). The settings are in `registry.toml` and in the
 * environment: see the README.
 *
 *     node dist/main.js           serves
 *     node dist/main.js --check   reads the settings, prints them, and ends
 */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger } from "effect"
import * as Registry from "./registry.js"
import * as Settings from "./settings.js"

const loggers = {
  json: Logger.withConsoleError(Logger.jsonLogger),
  logfmt: Logger.withConsoleError(Logger.logfmtLogger),
  pretty: Logger.prettyLogger({ stderr: true })
}

const logger = ({ log }: Settings.Settings) =>
  Layer.merge(
    Logger.replace(Logger.defaultLogger, loggers[log.format]),
    Logger.minimumLogLevel(log.level)
  )

const serve = (settings: Settings.Settings) =>
  Effect.gen(function*() {
    const { authority } = yield* NodeRegistryServer.Address
    yield* Effect.annotateLogs(Effect.logInfo("serving"), {
      authority,
      directory: settings.storage.directory,
      access: settings.access.users === undefined ? "everyone may push and delete" : "users log in"
    })
    return yield* Effect.never
  }).pipe(Effect.provide(Registry.layer(settings).pipe(Layer.provideMerge(logger(settings)))))

const main = Effect.gen(function*() {
  const settings = yield* Settings.read(process.env)
  return yield* process.argv.includes("--check")
    ? Console.log(Settings.toText(settings))
    : serve(settings)
})

main.pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError(({ message }) => Console.error(`registry: ${message}`)),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true, disablePrettyLogger: true })
)
