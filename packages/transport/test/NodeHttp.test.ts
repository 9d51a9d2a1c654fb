import { Client } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import { serve } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Stream } from "effect"
import type { LookupFunction } from "node:net"
import * as bunHttp from "../src/internal/nodeBunHttp.js"

const repositories: Answer = {
  status: 200,
  body: `{"repositories":["a"]}`,
  headers: { "content-type": "application/json" }
}

/** Resolves every name to this machine. */
const lookup: LookupFunction = (_name, options, callback) =>
  options.all === true ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4)

const setEnvironment = (environment: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))

const list = <E>(client: Layer.Layer<Registry, E>) =>
  Effect.flatMap(Registry, (registry) => Stream.runCollect(registry.listRepositories())).pipe(Effect.provide(client))

describe("the client over node:http, for Bun,", () => {
  const http = (options: bunHttp.Options, environment: Record<string, string> = {}) =>
    Effect.map(
      Layer.build(
        Layer.provide(Layer.scoped(HttpClient.HttpClient, bunHttp.make(options)), setEnvironment(environment))
      ),
      Context.get(HttpClient.HttpClient)
    )

  const registry = (host: string, client: HttpClient.HttpClient) =>
    Client.layer({ host, insecure: true, retry: { retries: 0 } }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
    )

  it.scoped("connects to its own registry at any address", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => repositories)
      const host = `registry.example:${server.host.split(":")[1]}`
      const client = yield* http({ lookup }, { HTTP_PROXY: "proxy.example", NO_PROXY: ".example,registry.example" })
      expect([...(yield* list(registry(host, client)))]).toEqual(["a"])
    }))

  it.scoped("does not follow a redirect to a name at a private address", () =>
    Effect.gen(function*() {
      const inside = yield* serve(() => repositories)
      const port = inside.host.split(":")[1]
      const server = yield* serve(() => ({ status: 307, headers: { location: `http://evil.example:${port}/` } }))
      const error = yield* Effect.flip(list(registry(server.host, yield* http({ lookup }))))
      expect(error).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
      expect(inside.requests).toEqual([])
    }))

  it.scoped("refuses a request for which a proxy is set", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => repositories)
      const client = yield* http({ lookup }, { HTTP_PROXY: "user:CANARY@proxy.example:3128" })
      const error = yield* Effect.flip(list(registry(`registry.example:${server.host.split(":")[1]}`, client)))
      expect(error).toMatchObject({ _tag: "OciRefused", by: "NodeHttp" })
      expect(error.message).toContain("through the proxy proxy.example:3128, and proxies are not supported in Bun")
      expect(server.requests).toEqual([])
    }))
})
