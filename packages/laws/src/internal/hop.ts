import * as Client from "@effect-oci/client/Client"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

/**
 * Puts a client and a server between a caller and a registry, in this process. HTTP messages pass between them as data,
 * without a socket.
 *
 * @since 0.1.0
 * @category running
 */
export const hop: Effect.Effect<Middleware> = Effect.map(
  Effect.runtime<never>(),
  (runtime) => (next) =>
    Runtime.runSync(runtime)(
      Client.makeBare({ host: "registry.test" }).pipe(
        Effect.provideService(HttpClient.HttpClient, RegistryServer.toHttpClient(RegistryServer.make()(next))),
        Effect.map(({ handle }) => handle),
        Effect.orDie
      )
    )
)
