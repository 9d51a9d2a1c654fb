/** Callers who prove who they are by a certificate. */
import { Guard, Policy } from "@effect-oci/guard"
import type { Wire } from "@effect-oci/protocol"
import { Memory } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { Agent, request } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as NodeRegistryServer from "../src/NodeRegistryServer.js"

const folder = mkdtempSync(join(tmpdir(), "certificates-"))
afterAll(() => rmSync(folder, { recursive: true }))

const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
const read = (name: string) => readFileSync(join(folder, name), "utf8")

const authority = (name: string) =>
  openssl("req", "-x509", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`)

/** Creates the certificate of a client, for a number of days. */
const client = (name: string, ca: string, subject: string, names = "DNS:none.example", days = "1") => {
  const san = ["-addext", `subjectAltName=${names}`]
  openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject, ...san)
  const signed = ["-CA", `${ca}.crt`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-copy_extensions", "copy"]
  openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-days", days, "-out", `${name}.crt`)
  return { cert: read(`${name}.crt`), key: read(`${name}.key`) }
}

authority("clients")
authority("strangers")
openssl("req", "-x509", ...newKey, "-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=registry")

const tls: NodeRegistryServer.Tls = {
  certificate: read("server.crt"),
  key: Redacted.make(read("server.key")),
  clientAuthorities: read("clients.crt")
}

const names = "URI:spiffe://example/ci,DNS:a.example,email:alice@a.example"
const alice = client("alice", "clients", "/CN=alice", names)
const stranger = client("stranger", "strangers", "/CN=alice")
const expired = client("expired", "clients", "/CN=alice", "DNS:none.example", "-1")
const several = client("several", "clients", "/CN=alice/CN=bob")

/** Serves a registry whose guard lets only alice in. Collects the certificates of the requests. */
const serving = Effect.gen(function*() {
  const certificates: Array<Wire.Certificate | undefined> = []
  const guard = Guard.make({ certificates: ({ commonName }) => commonName, policy: Policy.authenticated })
  const context = yield* Layer.build(
    NodeRegistryServer.layer({
      port: 0,
      tls,
      guard: (operation, request) => {
        certificates.push(request.certificate)
        return guard(operation, request)
      }
    }).pipe(Layer.provide(Memory.layer()), Layer.provide(Logger.remove(Logger.defaultLogger)))
  )
  const { port } = yield* Effect.provide(NodeRegistryServer.Address, context)
  return { certificates, port }
})

const status = (port: number, agent: Agent) =>
  Effect.async<number | string>((resume) => {
    request({ host: "127.0.0.1", port, path: "/v2/_catalog", agent, rejectUnauthorized: false }, (response) => {
      response.resume().on("end", () => resume(Effect.succeed(response.statusCode ?? 0)))
    }).on("error", (error) => resume(Effect.succeed(error.message))).end()
  })

it.scopedLive.each<readonly [title: string, credentials: object, status: number]>([
  ["of its authority", alice, 200],
  ["of another authority", stranger, 403],
  ["that has expired", expired, 403],
  ["with two names", several, 403],
  ["that is absent", {}, 403]
])("a certificate %s: the guard decides", ([, credentials, expected]) =>
  Effect.gen(function*() {
    const { port } = yield* serving
    expect(yield* status(port, new Agent({ ...credentials, keepAlive: false }))).toBe(expected)
  }))

it.scopedLive("the guard receives all names of a certificate", () =>
  Effect.gen(function*() {
    const { certificates, port } = yield* serving
    yield* status(port, new Agent({ ...alice, keepAlive: false }))
    expect(certificates).toEqual([{
      commonName: "alice",
      names: ["URI:spiffe://example/ci", "DNS:a.example", "email:alice@a.example"],
      fingerprint: expect.stringMatching(/^[0-9A-F:]{95}$/) as string
    }])
  }))

it.scopedLive("a resumed session has the certificate of its first connection, or none", () =>
  Effect.gen(function*() {
    const { port } = yield* serving
    for (const [credentials, expected] of [[alice, 200], [{}, 403], [stranger, 403]] as const) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const agent = new Agent({ ...credentials, maxVersion, keepAlive: false, maxCachedSessions: 10 })
        const statuses = [yield* status(port, agent), yield* status(port, agent), yield* status(port, agent)]
        expect(statuses).toEqual([expected, expected, expected])
      }
    }
  }))
