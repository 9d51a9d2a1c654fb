import * as Client from "@effect-oci/client/Client"
import { certificate } from "@effect-oci/conformance/NodeEvilRegistry"
import { Registry } from "@effect-oci/core"
import { proxy as startProxy } from "@effect-oci/testing/NodeProxyServer"
import type { Options as ProxyOptions } from "@effect-oci/testing/NodeProxyServer"
import { serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, Tls } from "@effect-oci/testing/NodeScripted"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { connect as connectTo, createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import * as NodeProxy from "../src/NodeProxy.js"

type Environment = Record<string, string>

const layer = (environment: Environment, options?: NodeProxy.Options) =>
  NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
    Layer.provide(NodeProxy.layer(options)),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
  )

/** The platform's client, without any transports. */
const http = (environment: Environment, options?: NodeProxy.Options) =>
  Effect.map(Layer.build(layer(environment, options)), Context.get(HttpClient.HttpClient))

const repositories: Answer = {
  status: 200,
  body: `{"repositories":["a"]}`,
  headers: { "content-type": "application/json" }
}

/** A server, and a proxy that connects to that server for every host. */
const world = (options?: ProxyOptions, tls?: Tls, answer: () => Answer = () => ({ status: 200, body: "here" })) =>
  Effect.gen(function*() {
    const server = yield* serve(answer, tls)
    const port = server.host.split(":")[1] ?? ""
    return { server, port, proxy: yield* startProxy(Number(port), options) }
  })

/** Returns the error of listing the repositories of a registry. */
const failure = (host: string, environment: Environment, options?: Partial<NodeProxy.Options & Client.Options>) =>
  Effect.gen(function*() {
    const client = Client.layer({ host, insecure: true, retry: { retries: 0 }, ...options })
    const context = yield* Layer.build(Layer.provide(client, layer(environment, options)))
    return yield* Effect.flip(Stream.runDrain(Context.get(context, Registry).listRepositories()))
  })

/** The variables that send http and https through the same proxy. */
const both = (proxy: string): Environment => ({ HTTP_PROXY: proxy, HTTPS_PROXY: proxy })

const trusting = { connect: { ca: certificate.cert } }

describe("a request is sent through the proxy", () => {
  const cases: ReadonlyArray<
    readonly [
      name: string,
      environment: (proxy: string) => Environment,
      options?: (proxy: string) => NodeProxy.Options
    ]
  > = [
    ["of HTTP_PROXY", (proxy) => ({ HTTP_PROXY: `http://${proxy}` })],
    ["of http_proxy", (proxy) => ({ http_proxy: `http://${proxy}` })],
    ["of HTTP_PROXY without a scheme", (proxy) => ({ HTTP_PROXY: proxy })],
    [
      "of HTTP_PROXY rather than http_proxy",
      (proxy) => ({ HTTP_PROXY: `http://${proxy}`, http_proxy: "http://unused.example" })
    ],
    ["of http_proxy if HTTP_PROXY is empty", (proxy) => ({ HTTP_PROXY: "", http_proxy: proxy })],
    [
      "of the options rather than the environment",
      () => ({ HTTP_PROXY: "http://unused.example" }),
      (proxy) => ({ httpProxy: Redacted.make(proxy) })
    ],
    [
      "of the options, even in a CGI program",
      () => ({ REQUEST_METHOD: "GET" }),
      (proxy) => ({ httpProxy: Redacted.make(proxy) })
    ]
  ]
  it.scoped.each(cases)("%s", ([, environment, options]) =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world()
      const client = yield* http(environment(proxy.host), options?.(proxy.host))
      const response = yield* client.get("http://registry.example/v2/?n=1")
      expect(yield* response.text).toBe("here")
      expect(proxy.requests).toEqual([{
        method: "GET",
        target: "http://registry.example/v2/?n=1",
        host: "registry.example",
        authorization: undefined
      }])
      expect(server.lines()).toEqual(["GET /v2/?n=1"])
    }))

  it.scoped("of HTTPS_PROXY without a scheme, through a tunnel", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world({}, certificate)
      const client = yield* http({ HTTPS_PROXY: proxy.host }, trusting)
      const response = yield* client.get("https://registry.example/v2/")
      expect(yield* response.text).toBe("here")
      expect(proxy.requests).toEqual([{
        method: "CONNECT",
        target: "registry.example:443",
        host: "registry.example:443",
        authorization: undefined
      }])
      expect(server.lines()).toEqual(["GET /v2/"])
    }))

  it.scoped("with its method, host and headers", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world()
      const client = yield* http({ HTTP_PROXY: proxy.host })
      yield* client.put("http://registry.example:5000/there", { headers: { "x-mine": "yes" } })
      expect(proxy.lines()).toEqual(["PUT http://registry.example:5000/there"])
      expect(server.requests[0]?.headers).toMatchObject({ host: "registry.example:5000", "x-mine": "yes" })
    }))

  it.scoped("over TLS, with the settings for the proxy and not those for the registry", () =>
    Effect.gen(function*() {
      const { port } = yield* world({}, certificate)
      const plain = yield* world()
      const proxy = yield* startProxy(Number(port), { tls: certificate })
      const plainProxy = yield* startProxy(Number(plain.port), { tls: certificate })
      const settings = { ...trusting, proxyConnect: { ca: certificate.cert } }
      const client = yield* http(
        { HTTPS_PROXY: `https://${proxy.host}`, HTTP_PROXY: `https://${plainProxy.host}` },
        settings
      )
      expect((yield* client.get("https://registry.example/")).status).toBe(200)
      expect((yield* client.get("http://registry.example/")).status).toBe(200)
      expect(proxy.lines()).toEqual(["CONNECT registry.example:443"])
      expect(plainProxy.lines()).toEqual(["GET http://registry.example/"])
      const error = yield* failure("registry.example", { HTTP_PROXY: `https://${plainProxy.host}` }, trusting)
      expect(error.message).toBe(
        `ListRepositories: cannot reach the proxy ${plainProxy.host} for registry.example: its certificate is self-signed`
      )
    }))

  it.scoped("of SOCKS5, which resolves the name", () =>
    Effect.gen(function*() {
      const { port } = yield* world()
      const socks = yield* startSocks(Number(port))
      const client = yield* http({ HTTP_PROXY: `socks5://${socks.host}` })
      expect((yield* client.get("http://registry.example/v2/")).status).toBe(200)
      expect(socks.targets).toEqual(["registry.example:80"])
    }))
})

/** A SOCKS5 proxy without a login (RFC 1928). It connects to one port, whatever host is requested. */
const startSocks = (port: number) =>
  Effect.acquireRelease(
    Effect.async<{ readonly host: string; readonly targets: ReadonlyArray<string>; readonly close: () => void }>(
      (resume) => {
        const targets: Array<string> = []
        const sockets = new Set<Socket>()
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.once("data", () => {
            socket.write(Buffer.from([5, 0]))
            socket.once("data", (request: Buffer) => {
              const end = 5 + request[4]!
              targets.push(`${request.subarray(5, end).toString()}:${request.readUInt16BE(end)}`)
              const upstream = connectTo(port)
              sockets.add(upstream)
              upstream.on("error", () => {}).on("connect", () => {
                socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
                socket.pipe(upstream)
                upstream.pipe(socket)
              })
            })
          })
        })
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({
            host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
            targets,
            close: () => {
              server.close()
              for (const socket of sockets) socket.destroy()
            }
          })))
      }
    ),
    ({ close }) => Effect.sync(close)
  )

describe("a request is not sent through the proxy", () => {
  it.scoped.each(["127.0.0.1", "localhost", "[::1]"])("to %s, but guarded", (host) =>
    Effect.gen(function*() {
      const { port, proxy } = yield* world()
      const client = yield* http(both(proxy.host))
      for (const scheme of ["http", "https"]) {
        const error = yield* Effect.flip(client.get(`${scheme}://${host}:${port}/`))
        expect(error.cause).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
      }
      expect(proxy.lines()).toEqual([])
    }))

  it.scoped("to a registry on this machine, and connects to it directly", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world({}, undefined, () => repositories)
      const client = Client.layer({ host: server.host, insecure: true })
      const context = yield* Layer.build(Layer.provide(client, layer({ HTTP_PROXY: proxy.host })))
      expect(yield* Stream.runCount(Context.get(context, Registry).listRepositories())).toBe(1)
      expect(proxy.lines()).toEqual([])
    }))

  it.scoped("to a network of NO_PROXY", () =>
    Effect.gen(function*() {
      const { proxy } = yield* world()
      for (const name of ["NO_PROXY", "no_proxy"]) {
        const client = yield* http({ HTTP_PROXY: proxy.host, [name]: "10.0.0.0/8" })
        const error = yield* Effect.flip(client.get("http://10.0.0.1:1/"))
        expect(error.cause).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
      }
      expect(proxy.lines()).toEqual([])
    }))

  it.scoped("over https if only HTTP_PROXY is set, or if no proxy is set", () =>
    Effect.gen(function*() {
      const { proxy, server } = yield* world()
      const failing: NodeProxy.Options = {
        lookup: (_name, _options, callback) => callback(Object.assign(new Error(), { code: "ENOTFOUND" }), "", 0)
      }
      for (const environment of [{ HTTP_PROXY: proxy.host }, {}, { HTTPS_PROXY: "" }]) {
        const client = yield* http(environment, failing)
        expect((yield* Effect.flip(client.get("https://registry.example/"))).cause).toMatchObject({ code: "ENOTFOUND" })
      }
      expect([...proxy.lines(), ...server.lines()]).toEqual([])
    }))
})

describe("a login in the proxy's URL", () => {
  const authorization = `Basic ${Buffer.from("user:s@crt").toString("base64")}`

  it.scoped("is sent to the proxy, and never to the registry", () =>
    Effect.gen(function*() {
      const plain = yield* world({ authorization })
      const secure = yield* world({ authorization }, certificate)
      const client = yield* http({
        HTTP_PROXY: `user:s%40crt@${plain.proxy.host}`,
        HTTPS_PROXY: `user:s%40crt@${secure.proxy.host}`
      }, trusting)
      expect((yield* client.get("http://registry.example/v2/")).status).toBe(200)
      expect((yield* client.get("https://registry.example/v2/")).status).toBe(200)
      for (const { proxy, server } of [plain, secure]) {
        expect(proxy.requests.map(({ authorization }) => authorization)).toEqual([authorization])
        expect(server.requests.map(({ headers }) => headers["proxy-authorization"])).toEqual([undefined])
      }
    }))

  const wanted: ReadonlyArray<readonly [scheme: string, port: string]> = [["http", "80"], ["https", "443"]]
  it.scoped.each(wanted)(
    "that is missing or wrong fails with an error that explains it, over %s",
    ([scheme, port]) =>
      Effect.gen(function*() {
        const { proxy, server } = yield* world({ authorization })
        const insecure = scheme === "http"
        const missing = yield* failure(`registry.example:${port}`, both(proxy.host), { insecure })
        const host = insecure ? "registry.example" : "registry.example:443"
        expect(missing.message).toBe(
          `ListRepositories: the proxy ${proxy.host} wants a login for ${host} (407): ` +
            `set it in the proxy's URL, as in http://USER:PASSWORD@${proxy.host}`
        )
        const url = `http://user:CANARY@${proxy.host}`
        const wrong = yield* failure(`registry.example:${port}`, both(url), { insecure })
        expect(wrong.message).toBe(
          `ListRepositories: the proxy ${proxy.host} refuses the user name and the password of its URL for ${host} (407)`
        )
        expect(wrong).toMatchObject({ _tag: "OciRefused", by: "NodeProxy", operation: "ListRepositories" })
        expect(JSON.stringify(wrong) + String(wrong.stack)).not.toContain("CANARY")
        expect(server.lines()).toEqual([])
      })
  )
})

describe("an error names the proxy", () => {
  const CANARY = "user:CANARY@"

  it.scoped("if the proxy cannot be reached", () =>
    Effect.gen(function*() {
      const { proxy } = yield* Effect.scoped(world())
      for (const insecure of [true, false]) {
        const environment = both(`${CANARY}${proxy.host}`)
        const error = yield* failure("registry.example", environment, { insecure })
        expect(error).toMatchObject({ _tag: "OciTransportError" })
        expect(error.message).toBe(
          `ListRepositories: cannot reach the proxy ${proxy.host} for registry.example: connection refused`
        )
        expect(JSON.stringify(error) + String(error.stack)).not.toContain("CANARY")
      }
    }))

  const statuses: ReadonlyArray<readonly [status: number, message: (proxy: string) => string, tag: string]> = [
    [
      403,
      (proxy) =>
        `the proxy ${proxy} does not connect to registry.example:443: it answered 403; ` +
        "allow the host at the proxy, or add it to NO_PROXY",
      "OciRefused"
    ],
    [
      503,
      (proxy) => `cannot reach registry.example through the proxy ${proxy}: the proxy answered 503 to CONNECT`,
      "OciTransportError"
    ]
  ]
  it.scoped.each(statuses)("if the proxy answers CONNECT with %s", ([status, message, tag]) =>
    Effect.gen(function*() {
      const { proxy } = yield* world({ status: () => status })
      const error = yield* failure("registry.example", { HTTPS_PROXY: proxy.host }, { insecure: false })
      expect(error).toMatchObject({ _tag: tag })
      expect(error.message).toBe(`ListRepositories: ${message(proxy.host)}`)
    }))

  it.scoped("only if the proxy itself answered: errors of the registry stay unchanged", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<Answer> = [
        { status: 503, body: `{"errors":[]}`, headers: { "content-type": "application/json" } },
        { status: 503, headers: { "retry-after": "3" } },
        { status: 500 }
      ]
      for (const answer of answers) {
        const { proxy } = yield* world({}, undefined, () => answer)
        expect(yield* failure("registry.example", { HTTP_PROXY: proxy.host })).toMatchObject({
          status: "status" in answer ? answer.status : 0
        })
      }
    }))

  it.scoped("if the certificate of the registry is not trusted", () =>
    Effect.gen(function*() {
      const { proxy } = yield* world({}, certificate)
      const error = yield* failure("registry.example", { HTTPS_PROXY: proxy.host }, { insecure: false })
      expect(error.message).toBe(
        `ListRepositories: cannot reach registry.example through the proxy ${proxy.host}: its certificate is self-signed`
      )
    }))

  it.scoped("if the proxy does not reach the registry", () =>
    Effect.gen(function*() {
      const { proxy } = yield* world({}, undefined, () => ({ raw: (response) => void response.socket?.destroy() }))
      for (const scheme of ["http", "socks5"]) {
        const error = yield* failure("registry.example", { HTTP_PROXY: `${scheme}://${proxy.host}` })
        expect(error.message).toContain(`cannot reach registry.example through the proxy ${proxy.host}: `)
        expect(error).toMatchObject({ _tag: "OciTransportError" })
      }
    }))
})

it.scoped("retries after a temporary failure of the proxy", () =>
  Effect.gen(function*() {
    let left = 1
    const { proxy } = yield* world({ status: () => left-- > 0 ? 503 : undefined }, certificate, () => repositories)
    const client = Client.layer({ host: "registry.example", retry: { delay: 0 } })
    const context = yield* Layer.build(Layer.provide(client, layer({ HTTPS_PROXY: proxy.host }, trusting)))
    const listing = yield* Effect.fork(Stream.runCount(Context.get(context, Registry).listRepositories()))
    expect(yield* Fiber.join(listing)).toBe(1)
    expect(proxy.lines()).toEqual(["CONNECT registry.example:443", "CONNECT registry.example:443"])
  }))

it.scoped("refuses HTTP_PROXY in a CGI program, and still uses HTTPS_PROXY", () =>
  Effect.gen(function*() {
    const { proxy } = yield* world({}, certificate)
    const environment = { REQUEST_METHOD: "GET", ...both(proxy.host) }
    const error = yield* failure("registry.example", environment)
    expect(error.message).toContain("HTTP_PROXY is not used by a program that serves CGI requests")
    const client = yield* http(environment, trusting)
    expect((yield* client.get("https://registry.example/")).status).toBe(200)
    expect(proxy.lines()).toEqual(["CONNECT registry.example:443"])
  }))

it.scoped.each(["HTTP_PROXY", "HTTPS_PROXY"])(
  "fails with a ConfigError if %s is not a proxy",
  (name) =>
    Effect.gen(function*() {
      for (const proxy of ["ftp://user:CANARY@proxy", "user:CANARY@:1", "http://"]) {
        const error = yield* Effect.flip(http({ [name]: proxy }))
        const text = JSON.stringify(error)
        expect(text).toContain(name)
        expect(text).toContain(`expected ${name} to be the URL of a proxy, such as http://proxy.example.com:3128`)
        expect(text).not.toContain("CANARY")
      }
    })
)
