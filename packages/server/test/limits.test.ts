/** Limits on the resources of the server: per connection, per client and in total. */
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Digest, MediaType } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Stream } from "effect"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"
import { blobDigest, config, imageDigest } from "./fixtures.js"
import * as http from "./http.js"
import * as probe from "./probe.js"
import { keeping } from "./servers.js"
import type { Line } from "./servers.js"

const MiB = 1024 * 1024

const launch = (
  options: Partial<NodeRegistryServer.Options>,
  registry: Layer.Layer<Registry> = Memory.layer()
) =>
  Effect.gen(function*() {
    const lines: Array<Line> = []
    const context = yield* Layer.build(
      NodeRegistryServer.layer({ port: 0, shutdownTimeout: "50 millis", ...options }).pipe(
        Layer.provide(registry),
        Layer.provide(keeping(lines))
      )
    )
    return { port: Context.get(context, NodeRegistryServer.Address).port, lines }
  })

const pause = (millis: number) => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)))

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

const connectFrom = (address: string, port: number) =>
  Effect.tap(
    http.connect(port, "127.0.0.1", address),
    ({ socket }) => Effect.sync(() => socket.on("error", () => {}))
  )

const statuses = (text: string) => text.match(/(?<=HTTP\/1\.1 )\d+/g) ?? []

const manifestOf = (size: number): string =>
  new TextDecoder().decode(
    Fixtures.document(MediaType.index, { manifests: [], annotations: { large: "x".repeat(size) } }).bytes
  )

const push = (name: string, manifest: string) =>
  `PUT /v2/team/app/manifests/${name} HTTP/1.1\r\nHost: a\r\nContent-Type: ${MediaType.index}\r\n` +
  `Content-Length: ${manifest.length}\r\n\r\n${manifest}`

/** A registry with referrers of a megabyte each. */
const largeLists = probe.answering({
  ListReferrers: () =>
    Effect.sync(() =>
      Stream.range(1, 24).pipe(Stream.map((n) => ({
        ...Descriptor.fromBytes(config, MediaType.image),
        digest: Digest.fromBytes(new Uint8Array(n)),
        annotations: { large: "x".repeat(MiB) }
      })))
    )
})
const listPath = `/v2/team/app/referrers/${imageDigest}`

describe("pipelined requests", () => {
  it.scoped("begin eight at a time, in order, as answers are sent (T59)", () =>
    Effect.gen(function*() {
      let begun = 0
      const goOn = yield* Deferred.make<void>()
      const { port } = yield* launch(
        {},
        probe.answering({
          ListTags: () =>
            Effect.suspend(() => {
              begun += 1
              return Effect.as(Deferred.await(goOn), Stream.empty)
            })
        })
      )
      const connection = yield* http.connect(port)
      yield* connection.write(get("/v2/team/app/tags/list").repeat(20))
      yield* probe.until(() => begun === 8)
      yield* pause(50)
      expect(begun).toBe(8)
      yield* Deferred.succeed(goOn, undefined)
      yield* connection.until((text) => statuses(text).length === 20)
      expect(begun).toBe(20)
    }))

  it.scoped("wait for the writes before them, and writes wait for all before them", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({})
      const connection = yield* http.connect(port)
      const read = get("/v2/team/app/manifests/a")
      yield* connection.write(read + push("a", manifestOf(1)) + read + push("a", manifestOf(2)) + read.repeat(2))
      yield* connection.until((text) => statuses(text).length === 6)
      const text = yield* connection.until(/"xx"[^]*"xx"/)
      expect(statuses(text)).toEqual(["404", "201", "200", "201", "200", "200"])
      expect(text.match(/(?<="large":)"x+"/g)).toEqual([`"x"`, `"xx"`, `"xx"`])
    }))

  it.scoped("close the connection if there are too many (T59)", () =>
    Effect.gen(function*() {
      let begun = 0
      const { port } = yield* launch(
        { maxPipelined: 10 },
        probe.answering({
          ListTags: () =>
            Effect.suspend(() => {
              begun += 1
              return Effect.never
            })
        })
      )
      const connection = yield* http.connect(port)
      connection.socket.on("error", () => {})
      yield* connection.write(get("/v2/team/app/tags/list").repeat(500))
      yield* connection.closed
      expect(begun).toBeLessThanOrEqual(8)
    }))
})

describe("connections", () => {
  it.scoped("of one client are limited, without effect on other clients (T61)", () =>
    Effect.gen(function*() {
      const { lines, port } = yield* launch({ maxConnectionsPerClient: 3 })
      const mine = yield* Effect.all([1, 2, 3].map(() => connectFrom("127.0.0.1", port)))
      for (const connection of mine) {
        yield* connection.write(get("/v2/"))
        yield* connection.until(/ 200 /)
      }
      for (let times = 0; times < 3; times++) {
        const refused = yield* connectFrom("127.0.0.1", port)
        expect(yield* refused.closed).toBe("")
      }
      expect(lines).toMatchObject([{ level: "WARN", message: "connection refused", client: "127.0.0.1" }])
      const other = yield* connectFrom("127.0.0.2", port)
      yield* other.write(get("/v2/"))
      yield* other.until(/ 200 /)
      mine[0]?.socket.destroy()
      yield* Effect.retry(
        Effect.scoped(Effect.gen(function*() {
          const again = yield* connectFrom("127.0.0.1", port)
          yield* again.write(get("/v2/"))
          yield* again.until(/ 200 /)
        })),
        { times: 50 }
      )
    }))

  it.scoped("are limited in total", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({ maxConnections: 1 })
      const first = yield* connectFrom("127.0.0.1", port)
      yield* first.write(get("/v2/"))
      yield* first.until(/ 200 /)
      expect(yield* (yield* connectFrom("127.0.0.2", port)).closed).toBe("")
    }))
})

describe("the rate of a client (T41)", () => {
  const options = { idleTimeout: "300 millis", minRate: 10_000 } as const
  const upload = (size: number) =>
    `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`

  /** Writes a piece every few milliseconds until the connection closes. */
  const trickle = (connection: http.Connection, piece: string) =>
    Effect.race(
      connection.closed,
      Effect.forever(Effect.zipRight(connection.write(piece), pause(20)))
    )

  it.scoped.each(
    [
      ["a blob", upload(MiB)],
      ["a manifest", push("v1", manifestOf(100_000)).slice(0, -1000)],
      [
        "a body that the server drops",
        "PUT /v2/team/app/manifests/.. HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
      ]
    ] as const
  )("closes a connection that sends %s a byte at a time", ([, request]) =>
    Effect.gen(function*() {
      const { port } = yield* launch(options)
      const connection = yield* connectFrom("127.0.0.1", port)
      yield* connection.write(request)
      yield* trickle(connection, "x")
    }))

  it.scoped("closes a connection that reads an answer a little at a time", () =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const { body } = probe.generatedSource(65_536)
      const limits = { idleTimeout: "500 millis", minRate: 50_000_000 } as const
      const { port } = yield* launch(limits, probe.holding(seen, probe.content(body)))
      const { socket, ...connection } = yield* connectFrom("127.0.0.1", port)
      socket.pause()
      yield* connection.write(get(`/v2/team/app/blobs/${blobDigest}`))
      // About three megabytes per second, so that the connection is never idle.
      const reading = Effect.forever(Effect.zipRight(
        Effect.sync(() => {
          socket.read(64 * 1024)
        }),
        pause(20)
      ))
      yield* Effect.race(probe.until(() => seen.closed.length === 1), reading)
    }))

  it.scoped("keeps the connection of a slow client that keeps the minimum rate", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({ ...options, minRate: 1000 })
      const connection = yield* connectFrom("127.0.0.1", port)
      const bytes = new Uint8Array(3000).fill(120)
      const digest = Digest.fromBytes(bytes)
      yield* connection.write(upload(bytes.byteLength).replace(blobDigest, digest))
      for (let sent = 0; sent < 30; sent++) {
        yield* connection.write("x".repeat(100))
        yield* pause(40)
      }
      yield* connection.until(/^HTTP\/1\.1 201 /)
    }))

  it.scoped("does not count the time that the registry takes to read", () =>
    Effect.gen(function*() {
      const { port } = yield* launch(
        { idleTimeout: "5 seconds", minRate: 100_000_000 },
        probe.answering({
          PushBlob: ({ body, descriptor }) =>
            Effect.as(Effect.zipRight(pause(300), Body.forEachChunk(body, () => {})), descriptor)
        })
      )
      const connection = yield* connectFrom("127.0.0.1", port)
      yield* connection.write(upload(5))
      yield* connection.write("hello")
      yield* connection.until(/^HTTP\/1\.1 201 /)
    }))
})

describe("bytes in memory", () => {
  it.scoped("of unfinished manifests are limited, and released (T61)", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({ maxBytesInFlightPerClient: 4 * MiB })
      const large = push("large", manifestOf(1.5 * MiB))
      const connections = yield* Effect.forEach([1, 2], () => connectFrom("127.0.0.1", port))
      for (const connection of connections) yield* connection.write(large.slice(0, -1))
      yield* pause(300)
      const refused = yield* connectFrom("127.0.0.1", port)
      yield* refused.write(large)
      yield* refused.until(/^HTTP\/1\.1 429 [^]*\r\nretry-after: 1\r\n[^]*"code":"TOOMANYREQUESTS"/)
      yield* refused.write(push("small", manifestOf(100)))
      yield* refused.until(/ 201 /)
      const other = yield* connectFrom("127.0.0.2", port)
      yield* other.write(large)
      yield* other.until(/^HTTP\/1\.1 201 /)
      for (const connection of connections) yield* connection.write(large.slice(-1))
      for (const connection of connections) yield* connection.until(/^HTTP\/1\.1 201 /)
      const again = yield* connectFrom("127.0.0.1", port)
      yield* again.write(large)
      yield* again.until(/^HTTP\/1\.1 201 /)
    }))

  it.scoped("of manifests are limited in total", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({ maxBytesInFlight: 2 * MiB })
      const large = push("large", manifestOf(1.5 * MiB))
      const connection = yield* connectFrom("127.0.0.1", port)
      yield* connection.write(large.slice(0, -1))
      yield* pause(50)
      const other = yield* connectFrom("127.0.0.2", port)
      yield* other.write(large)
      yield* other.until(/^HTTP\/1\.1 429 /)
    }))

  it.scoped("of unread answers are limited, and released (T59)", () =>
    Effect.gen(function*() {
      const limits = { maxPageBytes: 100 * MiB, maxBytesInFlightPerClient: 40 * MiB }
      const { port } = yield* launch(limits, largeLists)
      const connection = yield* connectFrom("127.0.0.1", port)
      connection.socket.pause()
      yield* connection.write(get(listPath))
      yield* pause(500)
      expect((yield* http.ask(port, { path: listPath })).status).toBe(429)
      connection.socket.resume()
      yield* probe.until(() => connection.socket.bytesRead > 24 * MiB)
      yield* pause(50)
      expect((yield* http.ask(port, { path: listPath })).status).toBe(200)
    }))

  it.scoped("do not limit small manifests", () =>
    Effect.gen(function*() {
      const { port } = yield* launch({ maxBytesInFlight: 0 })
      const connection = yield* connectFrom("127.0.0.1", port)
      yield* connection.write(push("small", manifestOf(100)) + get("/v2/team/app/manifests/small"))
      yield* connection.until(/^HTTP\/1\.1 201 [^]*HTTP\/1\.1 200 /)
    }))
})
