/**
 * Serves the private registry until Ctrl-C.
 *
 *     USERS=users PORT=5000 node dist/main.js
 */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Layer } from "effect"
import * as PrivateRegistry from "./registry.js"

const serve = Effect.gen(function*() {
  const { authority } = yield* NodeRegistryServer.Address
  yield* Console.log(`serving on ${authority} until Ctrl-C`)
  return yield* Effect.never
})

serve.pipe(
  Effect.provide(PrivateRegistry.layer.pipe(Layer.provide(NodeContext.layer))),
  // The pretty message of a configuration error contains the name of the setting.
  Effect.tapError((error) => Console.error(`private-registry: ${Cause.prettyErrors(Cause.fail(error))[0]?.message}`)),
  Effect.tapDefect((cause) => Console.error(`private-registry: ${Cause.pretty(cause)}`)),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true })
)
