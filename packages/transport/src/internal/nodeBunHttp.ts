import * as RegistryError from "@effect-oci/core/RegistryError"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"
import type { AgentOptions } from "node:https"
import type { LookupFunction } from "node:net"
import * as nodeLookup from "./nodeLookup.js"
import * as proxySelection from "./proxySelection.js"
import * as undiciOptions from "./undiciOptions.js"

/** Options for connections. */
export interface Options extends proxySelection.Options {
  readonly lookup?: LookupFunction | undefined
  readonly connect?: object | undefined
}

const noProxies = (url: URL, proxy: string) =>
  new RegistryError.Refused({
    by: "NodeHttp",
    reason: `${url.host} would be reached through the proxy ${proxy}, and proxies are not supported in Bun: ` +
      "add the host to NO_PROXY, or run the program in Node"
  })

/**
 * Creates a client over `node:http`, for Bun, which does not support all of undici. It checks the addresses that names
 * resolve to, as `NodeAddressGuard` does. A request for which a proxy is set fails.
 */
export const make = (
  options?: Options
): Effect.Effect<HttpClient.HttpClient, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function*() {
    const select = yield* proxySelection.make(options)
    const client = (lookup: LookupFunction | undefined) => {
      const settings: AgentOptions = {
        keepAlive: true,
        ...options?.connect,
        ...(lookup === undefined ? {} : { lookup })
      }
      return Effect.flatMap(
        NodeHttpClient.makeAgent(settings),
        (agent) => Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent)
      )
    }
    const open = yield* client(options?.lookup)
    const guarded = yield* client(nodeLookup.make(options?.lookup))
    return HttpClient.make((request, url, _signal, fiber) => {
      const proxy = select(url)
      const cause = Either.isLeft(proxy)
        ? proxy.left
        : proxy.right === undefined
        ? undefined
        : noProxies(url, proxy.right.name)
      if (cause !== undefined) {
        return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
      }
      const settings = undiciOptions.read(fiber.getFiberRef(FiberRef.currentContext))
      return (settings?.mayBePrivate === true ? open : guarded).execute(request)
    })
  })
