import { Body, Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import type { Duration } from "effect"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"
import { blob, blobDigest, fill, image, repository, text } from "./fixtures.js"
import * as http from "./http.js"
import * as probe from "./probe.js"
import { check } from "./rows.js"
import { keeping, node } from "./servers.js"
import type { Line } from "./servers.js"
import { bodies } from "./suites/bodies.js"
import { brokenBodies } from "./suites/brokenBodies.js"
import { connections } from "./suites/connections.js"
import { contents } from "./suites/contents.js"
import { defects } from "./suites/defects.js"
import { guarding } from "./suites/guarding.js"
import { lists } from "./suites/lists.js"
import { management } from "./suites/management.js"
import { mounts } from "./suites/mounts.js"
import { proxying } from "./suites/namespaces.js"
import { options } from "./suites/options.js"
import { pull } from "./suites/pull.js"
import { push } from "./suites/push.js"
import { refusals } from "./suites/refusals.js"
import { uploadSessions } from "./suites/uploads.js"

describe(node.name, () => {
  pull(node)
  push(node)
  uploadSessions(node)
  management(node)
  lists(node)
  refusals(node)
  bodies(node)
  brokenBodies(node)
  connections(node)
  contents(node)
  defects(node)
  options(node)
  proxying(node)
  guarding(node)
  mounts(node)
})

const long: Duration.DurationInput = "1 hour"

/** Starts a server that can be stopped, with its log messages. */
const launch = (options?: Partial<NodeRegistryServer.Options>, registry: Layer.Layer<Registry> = Memory.layer()) =>
  Effect.gen(function*() {
    const lines: Array<Line> = []
    const scope = yield* Scope.make()
    const server = NodeRegistryServer.layer({ port: 0, shutdownTimeout: long, ...options }).pipe(
      Layer.provideMerge(registry),
      Layer.provide(keeping(lines))
    )
    const context = yield* Layer.buildWithScope(server, scope)
    const address = Context.get(context, NodeRegistryServer.Address)
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    return {
      address,
      port: address.port,
      registry: Context.get(context, Registry),
      lines,
      stop: Scope.close(scope, Exit.void)
    }
  })

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const manifestPath = "/v2/team/app/manifests/v1"

const refusedTo = (port: number) =>
  Effect.map(Effect.flip(http.ask(port, { path: "/v2/" })), (error) => "code" in error && error.code)

/** Waits on the system clock, which the timers of Node use. */
const pause = (millis: number) => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)))

describe("NodeRegistryServer: listening", () => {
  it.scoped("listens on any free port of 127.0.0.1 with port 0", () =>
    Effect.gen(function*() {
      const { address } = yield* launch()
      expect(address.port).toBeGreaterThan(0)
      expect(address).toEqual({ host: "127.0.0.1", port: address.port, authority: `127.0.0.1:${address.port}` })
      check(yield* http.ask(address.port, { path: "/v2/" }), { status: 200 })
    }))

  it.scoped("listens on an IPv6 address", () =>
    Effect.gen(function*() {
      const { address } = yield* launch({ host: "::1" })
      expect(address.authority).toBe(`[::1]:${address.port}`)
      const connection = yield* http.connect(address.port, "::1")
      yield* connection.write(get("/v2/"))
      yield* connection.until(/^HTTP\/1\.1 200 /)
      yield* connection.halfClose
    }))

  it.scoped("layerConfig reads its options from the configuration", () =>
    Effect.gen(function*() {
      const server = NodeRegistryServer.layerConfig({ port: Config.integer("PORT"), host: Config.string("HOST") }).pipe(
        Layer.provide(Memory.layer())
      )
      const build = (variables: Record<string, string>) =>
        Effect.withConfigProvider(
          Layer.build(server),
          ConfigProvider.fromMap(new Map(Object.entries(variables)))
        )
      const { host } = Context.get(yield* build({ PORT: "0", HOST: "127.0.0.1" }), NodeRegistryServer.Address)
      expect(host).toBe("127.0.0.1")
      expect(yield* Effect.flip(build({ PORT: "0" }))).toMatchObject({ path: ["HOST"] })
    }))

  it.scoped("fails if the port is in use", () =>
    Effect.gen(function*() {
      const { port } = yield* launch()
      const error = yield* Effect.flip(launch({ port }))
      expect(error).toMatchObject({ _tag: "OciListenError", host: "127.0.0.1", port, cause: { code: "EADDRINUSE" } })
      expect(error.message).toBe(`cannot listen on 127.0.0.1:${port}: the port is taken by another program`)
    }))

  it.scoped.each(
    [
      [
        "of another machine",
        { host: "192.0.2.1", port: 5000 },
        "192.0.2.1:5000: the host is not an address of this machine"
      ],
      [
        "of another machine, by IPv6",
        { host: "2001:db8::1", port: 5000 },
        "[2001:db8::1]:5000: the host is not an address of this machine"
      ],
      [
        "with a port that is none",
        { port: 70000 },
        "127.0.0.1:70000: options.port should be >= 0 and < 65536. Received type number (70000)."
      ]
    ] as const
  )("an address %s", ([, options, reason]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(launch(options))
      expect(error.message).toBe(`cannot listen on ${reason}`)
    }))

  it("fails if the user may not use the port", () => {
    const cause = Object.assign(new Error("listen EACCES"), { code: "EACCES" })
    expect(new NodeRegistryServer.ListenError({ host: "127.0.0.1", port: 80, cause }).message)
      .toBe("cannot listen on 127.0.0.1:80: this user may not use the port")
  })

  it.scoped("treats time-outs beyond the maximum of timers as long, not short", () =>
    Effect.gen(function*() {
      const forever = "1000000 days"
      const { port } = yield* launch({ headersTimeout: forever, idleTimeout: forever, shutdownTimeout: forever })
      check(yield* http.ask(port, { path: "/v2/" }), { status: 200 })
    }))
})

describe("NodeRegistryServer: stopping", () => {
  it.scoped("frees the port, and leaves no timer that keeps the process alive", () =>
    Effect.gen(function*() {
      const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length
      const before = timers()
      const first = yield* launch()
      yield* first.stop
      expect(timers()).toBe(before)
      expect(yield* refusedTo(first.port)).toBe("ECONNREFUSED")
      const second = yield* launch({ port: first.port })
      expect(second.port).toBe(first.port)
    }))

  it.scoped.each(
    [
      ["nothing", ""],
      ["half a request", "GET /v2/ HTTP/1.1\r\nHost"],
      ["an answered request", get("/v2/")],
      ["a refused request", get("/nothing")],
      ["garbage", "garbage\r\n\r\n"]
    ] as const
  )("is not held up by a connection that has sent %s", ([, text]) =>
    Effect.gen(function*() {
      const { port, stop } = yield* launch()
      const connection = yield* http.connect(port)
      connection.socket.on("error", () => {})
      if (text !== "") yield* connection.write(text)
      if (text.endsWith("\r\n")) yield* connection.until(/HTTP\/1\.1 /)
      yield* stop
      yield* connection.closed
    }))

  it.scoped("lets requests finish, and then closes their connections", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const answer = Effect.zipRight(Deferred.await(end), Effect.fail(new RegistryError.ManifestUnknown({})))
      const { port, stop } = yield* launch(
        {},
        probe.answering({
          GetManifest: () => Effect.zipRight(Deferred.succeed(begun, undefined), answer)
        })
      )
      const connection = yield* http.connect(port)
      yield* connection.write(get(manifestPath) + get("/v2/"))
      yield* Deferred.await(begun)
      const stopping = yield* Effect.fork(stop)
      yield* Effect.yieldNow()
      expect(yield* refusedTo(port)).toBe("ECONNREFUSED")
      yield* Deferred.succeed(end, undefined)
      const text = yield* connection.closed
      expect(text).toMatch(/^HTTP\/1\.1 404 [^]*\r\nConnection: close\r\n/)
      yield* Fiber.join(stopping)
    }))

  it.scoped("lets a download finish", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const { body } = probe.generatedStream(256)
      const { port, stop } = yield* launch({}, probe.holding(seen, probe.content(body)))
      const connection = yield* http.connect(port)
      connection.socket.pause()
      yield* connection.write(get(`/v2/team/app/blobs/${blobDigest}`))
      yield* probe.until(() => seen.opened === 1)
      const stopping = yield* Effect.fork(stop)
      yield* Effect.yieldNow()
      connection.socket.resume()
      const text = yield* connection.closed
      expect(text.length).toBeGreaterThan(256 * probe.piece.byteLength)
      yield* Fiber.join(stopping)
      expect(seen.closed.map(Exit.isSuccess)).toEqual([true])
    }))

  it.scoped("lets an upload finish", () =>
    Effect.gen(function*() {
      const { port, stop } = yield* launch()
      const connection = yield* http.connect(port)
      yield* connection.write(
        `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\n`
      )
      yield* connection.write(blob.subarray(0, 100))
      check(yield* http.ask(port, { path: "/v2/" }), { status: 200 })
      const stopping = yield* Effect.fork(stop)
      yield* Effect.yieldNow()
      yield* connection.write(blob.subarray(100))
      expect(yield* connection.closed).toMatch(/^HTTP\/1\.1 201 /)
      yield* Fiber.join(stopping)
    }))

  it.scoped("cuts off requests after the shutdown time-out, and waits for their finalizers", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const begun = yield* Deferred.make<void>()
      const stubborn = Effect.onInterrupt(
        Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never),
        () => Effect.zipRight(Effect.yieldNow(), Effect.sync(() => void order.push("the operation has cleaned up")))
      )
      const registry = Layer.scoped(
        Registry,
        Effect.acquireRelease(
          Layer.build(probe.answering({ GetManifest: () => stubborn })).pipe(
            Effect.map((context) => Context.get(context, Registry))
          ),
          () => Effect.sync(() => void order.push("the registry is gone"))
        )
      )
      const { port, stop } = yield* launch({ shutdownTimeout: "20 millis" }, registry)
      const connection = yield* http.connect(port)
      yield* connection.write(get(manifestPath))
      yield* Deferred.await(begun)
      yield* stop
      yield* connection.closed
      expect(connection.text()).toBe("")
      expect(order).toEqual(["the operation has cleaned up", "the registry is gone"])
    }))

  it.scoped("ends a download that takes too long before it closes the registry", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const { body } = probe.generatedSource(65536)
      const { port, stop } = yield* launch({ shutdownTimeout: "20 millis" }, probe.holding(seen, probe.content(body)))
      const connection = yield* http.connect(port)
      connection.socket.pause()
      yield* connection.write(get(`/v2/team/app/blobs/${blobDigest}`))
      yield* probe.until(() => seen.opened === 1)
      yield* stop
      expect(seen.closed.map(Exit.isFailure)).toEqual([true])
    }))
})

describe("NodeRegistryServer: requests that are not HTTP", () => {
  it.scoped.each([
    {
      name: "a TLS handshake",
      bytes: "\u0016\u0003\u0001\u0002\u0000\u0001",
      reason: "the client sent HTTPS to a server of plain HTTP"
    },
    { name: "other bytes", bytes: "hello\r\n\r\n", reason: "the request is not valid HTTP" }
  ])("answers $name with 400 and the reason", ({ bytes, reason }) =>
    Effect.gen(function*() {
      const { lines, port } = yield* launch({})
      const connection = yield* http.connect(port)
      yield* connection.write(bytes)
      expect(yield* connection.closed).toContain(`"message":"${reason}"`)
      expect(lines).toMatchObject([{ message: "request refused", status: 400, reason }])
    }))
})

describe("NodeRegistryServer: time-outs", () => {
  it.scoped("answers 408 if the head of a request is too late (T41)", () =>
    Effect.gen(function*() {
      const { lines, port } = yield* launch({ headersTimeout: "50 millis" })
      const connection = yield* http.connect(port)
      yield* connection.write("GET /v2/ HTTP/1.1\r\nHost:")
      const answer = yield* connection.closed
      expect(answer).toMatch(
        /^HTTP\/1\.1 408 [^]*"message":"the client did not send the headers of the request in time"/
      )
      expect(lines).toMatchObject([{ message: "request refused", status: 408 }])
    }))

  it.scoped("closes the connection of a stalled request body (T41)", () =>
    Effect.gen(function*() {
      const { port, registry } = yield* launch({ idleTimeout: "50 millis" })
      const connection = yield* http.connect(port)
      yield* connection.write(
        `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\nhello`
      )
      yield* connection.closed
      expect((yield* Effect.exit(registry.resolveBlob(repository, blobDigest)))._tag).toBe("Failure")
    }))

  it.scoped("closes the connection of a client that stops reading (T41)", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const { body } = probe.generatedSource(65536)
      const { port } = yield* launch({ idleTimeout: "50 millis" }, probe.holding(seen, probe.content(body)))
      const connection = yield* http.connect(port)
      connection.socket.pause()
      yield* connection.write(get(`/v2/team/app/blobs/${blobDigest}`))
      yield* probe.until(() => seen.closed.length === 1)
    }))

  it.scoped("allows a registry to take longer than the idle time-out of a connection", () =>
    Effect.gen(function*() {
      const { port } = yield* launch(
        { idleTimeout: "50 millis" },
        probe.answering({
          GetManifest: () => Effect.zipRight(pause(200), Effect.fail(new RegistryError.ManifestUnknown({}))),
          PushBlob: ({ body, descriptor }) =>
            Effect.as(Effect.zipRight(Body.forEachChunk(body, () => {}), pause(200)), descriptor)
        })
      )
      check(yield* http.ask(port, { path: manifestPath }), { status: 404 })
      check(
        yield* http.ask(port, {
          method: "POST",
          path: `/v2/team/app/blobs/uploads/?digest=${blobDigest}`,
          body: text("hello")
        }),
        { status: 201 }
      )
    }))
})

describe("NodeRegistryServer: a client that disconnects", () => {
  const startPush = (port: number, bytes: string) =>
    Effect.gen(function*() {
      const connection = yield* http.connect(port)
      yield* connection.write(
        `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\n${bytes}`
      )
      return connection
    })

  it.scoped("in the middle of a body lets the registry store what it received", () =>
    Effect.gen(function*() {
      let received = 0
      const stored = yield* Deferred.make<number>()
      const { port } = yield* launch(
        {},
        probe.answering({
          PushBlob: ({ body, descriptor }) =>
            Body.forEachChunk(body, (chunk) => {
              received += chunk.byteLength
            }).pipe(
              Effect.tapError(() => Effect.flatMap(pause(100), () => Deferred.succeed(stored, received))),
              Effect.as(descriptor)
            )
        })
      )
      const { socket } = yield* startPush(port, "hello")
      yield* probe.until(() => received > 0)
      socket.resetAndDestroy()
      expect(yield* Deferred.await(stored)).toBe(5)
    }))

  it.scoped("before the registry reads its body loses no byte that it sent", () =>
    Effect.gen(function*() {
      let begun = false
      const read = yield* Deferred.make<string>()
      const { port } = yield* launch(
        {},
        probe.answering({
          PushBlob: ({ body, descriptor }) =>
            Effect.gen(function*() {
              begun = true
              yield* pause(200)
              let received = ""
              const error = yield* Body.forEachChunk(body, (chunk) => {
                received += new TextDecoder().decode(chunk)
              }).pipe(Effect.flip, Effect.orDie)
              yield* Deferred.succeed(read, `${received}: ${error.reason}`)
              return descriptor
            })
        })
      )
      const { socket } = yield* startPush(port, "hello")
      yield* probe.until(() => begun)
      yield* pause(50)
      socket.resetAndDestroy()
      expect(yield* Deferred.await(read)).toBe("hello: the request's body broke off after 5 of 2048 bytes")
    }))

  it.scoped("interrupts a registry that does not read the body", () =>
    Effect.gen(function*() {
      let begun = false
      const interrupted = yield* Deferred.make<void>()
      const { port } = yield* launch(
        {},
        probe.answering({
          PushBlob: () =>
            Effect.zipRight(Effect.sync(() => void (begun = true)), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
        })
      )
      const { socket } = yield* startPush(port, "")
      yield* probe.until(() => begun)
      socket.resetAndDestroy()
      yield* Deferred.await(interrupted)
    }))
})

describe("NodeRegistryServer: several servers", () => {
  it.scoped("serve separate registries", () =>
    Effect.gen(function*() {
      const one = yield* launch()
      const two = yield* launch()
      yield* fill(one.registry)
      check(yield* http.ask(one.port, { path: manifestPath }), { status: 200, body: image })
      check(yield* http.ask(two.port, { path: manifestPath }), { status: 404, code: "NAME_UNKNOWN" })
    }))
})
