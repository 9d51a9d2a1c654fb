/** HTTPS with a certificate of a private authority. */
import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { get } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { afterAll } from "vitest"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"
import { blob, blobDigest, fill } from "./fixtures.js"
import * as http from "./http.js"
import { keeping } from "./servers.js"
import type { Line } from "./servers.js"

const folder = mkdtempSync(join(tmpdir(), "tls-"))
afterAll(() => rmSync(folder, { recursive: true }))

const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Private authority")
openssl(
  "req",
  ...newKey,
  "-keyout",
  "server.key",
  "-out",
  "server.csr",
  "-subj",
  "/CN=registry",
  "-addext",
  "subjectAltName=IP:127.0.0.1"
)
openssl(
  "x509",
  "-req",
  "-in",
  "server.csr",
  "-CA",
  "ca.crt",
  "-CAkey",
  "ca.key",
  "-CAcreateserial",
  "-copy_extensions",
  "copy",
  "-out",
  "server.crt"
)
const read = (name: string) => readFileSync(join(folder, name), "utf8")
const ca = read("ca.crt")
const tls: NodeRegistryServer.Tls = { certificate: read("server.crt"), key: Redacted.make(read("server.key")) }

const launch = (options?: Partial<NodeRegistryServer.Options>, registry: Layer.Layer<Registry> = Memory.layer()) =>
  Effect.gen(function*() {
    const lines: Array<Line> = []
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const context = yield* Layer.buildWithScope(
      NodeRegistryServer.layer({ port: 0, tls, ...options }).pipe(
        Layer.provideMerge(registry),
        Layer.provide(keeping(lines))
      ),
      scope
    )
    const { port } = Context.get(context, NodeRegistryServer.Address)
    return { port, lines, registry: Context.get(context, Registry), stop: Scope.close(scope, Exit.void) }
  })

interface Answer {
  readonly status: number | undefined
  readonly bytes: Buffer
}

const ask = (port: number, path: string, options: object = { ca }) =>
  Effect.async<Answer, NodeJS.ErrnoException>((resume) => {
    get({ host: "127.0.0.1", port, path, agent: false, ...options }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode, bytes: Buffer.concat(chunks) })))
      response.on("error", (error) => resume(Effect.fail(error)))
    }).on("error", (error) => resume(Effect.fail(error)))
  })

describe("NodeRegistryServer with tls", () => {
  it.scopedLive("speaks HTTPS with clients that trust its authority", () =>
    Effect.gen(function*() {
      const { port, registry } = yield* launch()
      yield* fill(registry)
      expect(yield* ask(port, "/v2/")).toMatchObject({ status: 200 })
      const { bytes } = yield* ask(port, `/v2/team/app/blobs/${blobDigest}`)
      expect(bytes.equals(blob)).toBe(true)
    }))

  it.scopedLive("refuses old versions of TLS, and survives failed handshakes", () =>
    Effect.gen(function*() {
      const { lines, port } = yield* launch()
      expect((yield* Effect.flip(ask(port, "/v2/", {}))).code).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE")
      const old = { ca, maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }
      expect((yield* Effect.flip(ask(port, "/v2/", old))).code).toMatch(/EPROTO|PROTOCOL|ECONNRESET/)
      const plain = yield* http.connect(port)
      yield* plain.write("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
      expect(yield* plain.closed).not.toContain("200")
      expect(yield* ask(port, "/v2/")).toMatchObject({ status: 200 })
      expect(lines.filter(({ level }) => level === "ERROR")).toEqual([])
    }))

  it.scopedLive("stops after open requests have finished, and leaves no client waiting", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const registry = Memory.layer().pipe(Registry.wrap((next) => (operation) =>
        operation._tag === "ListTags"
          ? Effect.zipRight(Deferred.succeed(started, undefined), Effect.zipRight(Deferred.await(go), next(operation)))
          : next(operation)
      ))
      const server = yield* launch({ shutdownTimeout: "1 hour" }, registry)
      yield* fill(server.registry)
      const idle = connectTls({ host: "127.0.0.1", port: server.port, ca })
      const closed = yield* Effect.fork(
        Effect.async<void>((resume) => void idle.on("close", () => resume(Effect.void)))
      )
      yield* Effect.async<void>((resume) => void idle.on("secureConnect", () => resume(Effect.void)))
      const answer = yield* Effect.fork(ask(server.port, "/v2/team/app/tags/list"))
      yield* Deferred.await(started)
      const stopped = yield* Effect.fork(server.stop)
      yield* Fiber.join(closed)
      yield* Deferred.succeed(go, undefined)
      expect(yield* Fiber.join(answer)).toMatchObject({ status: 200 })
      yield* Fiber.join(stopped)
    }))

  it.scopedLive("stops in time although an idle client is connected", () =>
    Effect.gen(function*() {
      const server = yield* launch({ shutdownTimeout: "50 millis" })
      const silent = yield* http.connect(server.port)
      yield* server.stop
      yield* silent.closed
    }))

  it.effect.each<readonly [name: string, tls: NodeRegistryServer.Tls]>([
    ["an invalid certificate", { ...tls, certificate: "CANARY" }],
    ["an invalid key", { ...tls, key: Redacted.make("CANARY") }],
    ["the key of another", { ...tls, key: Redacted.make(read("ca.key")) }]
  ])("does not start with %s, and does not show it in the error", ([, wrong]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(launch({ tls: wrong })))
      expect(error.message).toMatch(/^cannot listen on 127\.0\.0\.1:0: the TLS certificate or its key cannot be used: /)
      expect(`${error.message}${JSON.stringify(error)}`).not.toMatch(/CANARY|BEGIN/)
    }))
})
