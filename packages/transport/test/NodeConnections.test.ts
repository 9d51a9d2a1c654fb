import { serve, serveRaw } from "@effect-oci/testing/NodeScripted"
import type { Answer, Server } from "@effect-oci/testing/NodeScripted"
import { NodeHttpClient } from "@effect/platform-node"
import { buildConnector } from "@effect/platform-node/Undici"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schedule, Scope } from "effect"
import { once } from "node:events"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import * as nodeConnections from "../src/internal/nodeConnections.js"
import * as NodeAddressGuard from "../src/NodeAddressGuard.js"

const ok: Answer = { status: 200, body: "ok" }

/** Creates a client that opens three connections ahead. */
const client = (patience?: number) =>
  Effect.map(
    Layer.build(
      Layer.provide(
        NodeHttpClient.layerUndiciWithoutDispatcher,
        Layer.scoped(
          NodeHttpClient.Dispatcher,
          Effect.acquireRelease(
            Effect.sync(() => nodeConnections.agent(buildConnector({}), 3, patience)),
            (agent) => Effect.promise(() => agent.destroy())
          )
        )
      )
    ),
    Context.get(HttpClient.HttpClient)
  )

const get = (client: HttpClient.HttpClient, { origin }: Pick<Server, "origin">) =>
  Effect.scoped(Effect.flatMap(client.get(origin), ({ text }) => text))

/** Waits until a server has a number of open connections. */
const connected = ({ connections }: Server, count: number) =>
  Effect.sync(() => connections.size).pipe(
    Effect.repeat({ until: (size) => size === count, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("3 seconds")
  )

describe("connections ahead", () => {
  it.scopedLive("are opened with the first connection to a host, and used by the requests that follow", () =>
    Effect.gen(function*() {
      const waiting: Array<() => void> = []
      const sockets = new Set<unknown>()
      const server = yield* serveRaw((request, response, count) => {
        sockets.add(request.socket)
        if (count === 0) return void response.end("ok")
        waiting.push(() => response.end("ok"))
        if (waiting.length === 4) { for (const end of waiting) end() }
      })
      const http = yield* client()
      yield* get(http, server)
      yield* connected(server, 4)
      const opened = new Set(server.connections)
      // The server answers only when it has all four requests.
      yield* Effect.all(Array.from({ length: 4 }, () => get(http, server)), { concurrency: "unbounded" })
      expect(sockets).toEqual(opened)
      expect(server.connections.size).toBe(4)
    }))

  it.scopedLive("are opened only with the first connection: a later one does not open more", () =>
    Effect.gen(function*() {
      let arrived = 0
      let all = () => {}
      const together = new Promise<void>((resolve) => {
        all = resolve
      })
      const server = yield* serveRaw((_request, response) => {
        if (++arrived === 6) all()
        void together.then(() => response.end("ok"))
      })
      const http = yield* client()
      yield* Effect.all(Array.from({ length: 6 }, () => get(http, server)), { concurrency: "unbounded" })
      expect(server.connections.size).toBe(6)
    }))

  it.scopedLive("close with the client", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ok)
      const scope = yield* Scope.make()
      const http = yield* Scope.extend(client(), scope)
      yield* get(http, server)
      yield* connected(server, 4)
      yield* Scope.close(scope, Exit.void)
      yield* connected(server, 0)
    }))

  it.scopedLive("close after a time if no request uses them", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ok)
      yield* get(yield* client(200), server)
      yield* connected(server, 4)
      yield* connected(server, 1)
    }))

  it.scopedLive("are replaced if the server closes them", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ok)
      const http = yield* client()
      yield* get(http, server)
      yield* connected(server, 4)
      for (const socket of server.connections) socket.end()
      yield* connected(server, 0)
      expect(yield* get(http, server)).toBe("ok")
    }))

  it.scopedLive("do not hide the error of a host that cannot be reached", () =>
    Effect.gen(function*() {
      const closed = createServer().listen(0, "127.0.0.1")
      yield* Effect.promise(() => once(closed, "listening"))
      const { port } = closed.address() as AddressInfo
      yield* Effect.promise(() => new Promise((resolve) => closed.close(resolve)))
      const http = yield* client()
      const requests = Array.from({ length: 4 }, () => Effect.flip(get(http, { origin: `http://127.0.0.1:${port}` })))
      const errors = yield* Effect.all(requests, { concurrency: "unbounded" })
      expect(errors.map(({ _tag }) => _tag)).toEqual(Array.from(errors, () => "RequestError"))
    }))

  it.scopedLive("are not opened to an address that the guard refuses", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ok)
      const guarded = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
        Layer.provide(NodeAddressGuard.layer({ connectionsAhead: 3 }))
      )
      const http = Context.get(yield* Layer.build(guarded), HttpClient.HttpClient)
      yield* Effect.flip(get(http, server))
      yield* Effect.sleep("50 millis")
      expect(server.connections.size).toBe(0)
    }))
})
