/**
 * Serves the gateway until Ctrl-C.
 *
 *     UPSTREAM=https://registry.example.com USERS=users node dist/main.js
 */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Layer, Logger } from "effect"
import * as Gateway from "./gateway.js"

const serve = Effect.gen(function*() {
  const { authority } = yield* NodeRegistryServer.Address
  yield* Console.log(`gateway: serving on http://${authority}`)
  return yield* Effect.never
})

const logger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

serve.pipe(
  Effect.provide(
    Gateway.layer.pipe(
      Layer.provide(Layer.mergeAll(NodeContext.layer, NodeHttp.layer())),
      Layer.provideMerge(logger)
    )
  ),
  // The pretty message of a configuration error contains the name of the setting.
  Effect.tapError((error) => Console.error(`gateway: ${Cause.prettyErrors(Cause.fail(error))[0]?.message}`)),
  Effect.tapDefect((cause) => Console.error(`gateway: ${Cause.pretty(cause)}`)),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true, disablePrettyLogger: true })
)
