import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import { connect } from "node:net"
import type { AddressInfo } from "node:net"
import * as NodeProxy from "../src/NodeProxy.js"
import { serve } from "./scripted.js"

interface Proxy {
  readonly host: string
  /** Where it was asked to go, and with which credentials. */
  readonly tunnels: ReadonlyArray<readonly [target: string, authorization: string | undefined]>
}

/** A proxy that connects to a server, whatever name it is asked for. */
const proxying = (port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly proxy: Proxy; readonly close: () => void }>((resume) => {
      const tunnels: Array<readonly [string, string | undefined]> = []
      const server = createServer()
      server.on("connect", (request, socket) => {
        tunnels.push([request.url ?? "", request.headers["proxy-authorization"]])
        const upstream = connect(port, "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n")
          upstream.pipe(socket)
          socket.pipe(upstream)
        })
        for (const end of [socket, upstream]) {
          end.on("error", () => {})
          end.on("close", () => {
            socket.destroy()
            upstream.destroy()
          })
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
        resume(Effect.succeed({ proxy: { host, tunnels }, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ proxy }) => proxy))

const http = (options?: NodeProxy.Options, environment: Record<string, string> = {}) =>
  Layer.build(
    NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
      Layer.provide(NodeProxy.layer(options)),
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  ).pipe(Effect.map(Context.get(HttpClient.HttpClient)))

const world = Effect.gen(function*() {
  const server = yield* serve(() => ({ status: 200, body: "here" }))
  const proxy = yield* proxying(Number(server.host.split(":")[1]))
  return { server, proxy }
})

describe("a request goes by way of the proxy", () => {
  const cases: ReadonlyArray<
    readonly [
      name: string,
      environment: (proxy: string) => Record<string, string>,
      options: (proxy: string) => NodeProxy.Options
    ]
  > = [
    ["of HTTP_PROXY", (proxy) => ({ HTTP_PROXY: `http://${proxy}` }), () => ({})],
    ["of http_proxy", (proxy) => ({ http_proxy: `http://${proxy}` }), () => ({})],
    [
      "of http_proxy rather than HTTP_PROXY",
      (proxy) => ({ http_proxy: `http://${proxy}`, HTTP_PROXY: "http://x" }),
      () => ({})
    ],
    [
      "of the options rather than the environment",
      () => ({ http_proxy: "http://x" }),
      (proxy) => ({ httpProxy: Redacted.make(`http://${proxy}`) })
    ]
  ]
  it.scoped.each(cases)("%s", ([, environment, options]) =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world
      const client = yield* http(options(proxy.host), environment(proxy.host))
      const response = yield* client.get("http://registry.example/v2/")
      expect(yield* response.text).toBe("here")
      expect(proxy.tunnels).toEqual([["registry.example:80", undefined]])
      expect(server.asked[0]?.headers.host).toBe("registry.example")
    }))

  it.scoped("which is told who asks, and the registry is not", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world
      const client = yield* http({ httpProxy: Redacted.make(`http://user:s%40crt@${proxy.host}`) })
      yield* client.get("http://registry.example/v2/")
      const authorization = `Basic ${Buffer.from("user:s@crt").toString("base64")}`
      expect(proxy.tunnels).toEqual([["registry.example:80", authorization]])
      expect(server.asked[0]?.headers["proxy-authorization"]).toBeUndefined()
    }))

  it.scoped("of https, for https", () =>
    Effect.gen(function*() {
      const { proxy } = yield* world
      const client = yield* http(undefined, { HTTPS_PROXY: `http://${proxy.host}` })
      // The server does not speak TLS.
      yield* Effect.flip(client.get("https://registry.example/v2/"))
      expect(proxy.tunnels).toEqual([["registry.example:443", undefined]])
    }))
})

describe("a request does not", () => {
  const cases: ReadonlyArray<readonly [noProxy: string, host: string]> = [
    ["registry.example", "registry.example"],
    [".example", "registry.example"],
    ["*.example", "registry.example"],
    ["other, example", "registry.example"],
    ["*", "registry.example"]
  ]
  it.scoped.each(cases)("where %s is reached without: %s", ([noProxy, host]) =>
    Effect.gen(function*() {
      const { proxy } = yield* world
      const client = yield* http(undefined, { http_proxy: `http://${proxy.host}`, no_proxy: noProxy })
      yield* Effect.flip(client.get(`http://${host}:1/`))
      expect(proxy.tunnels).toEqual([])
    }))

  it.scoped("where there is no proxy, and is guarded", () =>
    Effect.gen(function*() {
      const { server } = yield* world
      for (const environment of [{}, { http_proxy: "" }, { HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "127.0.0.1" }]) {
        const client = yield* http(undefined, environment)
        const error = yield* Effect.flip(client.get(server.origin))
        expect(error.cause).toMatchObject({ _tag: "Refused", by: "NodeAddressGuard" })
      }
    }))
})

it.scoped.each(["http_proxy", "https_proxy"])(
  "what is no proxy is an error of the configuration, of %s",
  (name) =>
    Effect.gen(function*() {
      for (const proxy of ["user:CANARY@proxy", "ftp://user:CANARY@proxy", "http://"]) {
        const error = yield* Effect.flip(http(undefined, { [name]: proxy }))
        const text = JSON.stringify(error)
        expect(text).toContain(name)
        expect(text).toContain("expected the URL of a proxy, such as http://proxy.example.com:3128")
        expect(text).not.toContain("CANARY")
      }
    })
)
