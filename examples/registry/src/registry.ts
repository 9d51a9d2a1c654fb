/**
 * A registry for one machine: content in files, metadata in SQLite, users with tokens, metrics, a health check,
 * retention and a collector.
 */
import { Body, ReferenceSet } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
import { Logging, Metrics } from "@effect-oci/middleware"
import type { Wire } from "@effect-oci/protocol"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Retention, Store } from "@effect-oci/store"
import { FileSystem } from "@effect/platform"
import { Effect, Layer, Redacted } from "effect"
import { join } from "node:path"
import * as Health from "./health.js"
import * as prometheus from "./prometheus.js"
import * as secrets from "./secrets.js"
import { SettingsInvalid } from "./settings.js"
import type { Settings } from "./settings.js"

/** Decides who may do what. Change this function to change the policy. */
const policyOf = ({ access }: Settings) =>
  Policy.make(({ name }, { action, resource, type }) => {
    if (name !== undefined && access.admins.includes(name)) return true
    const [first = ""] = resource.split("/")
    return type === "repository" && (first === name || (action === "pull" && access.public.includes(first)))
  })

/** Users log in with their passwords, and receive tokens. Without a file of users, everyone may do everything. */
const guardOf = (settings: Settings, tokenKey: TokenKeys.SigningKey, url: URL) =>
  Effect.gen(function*() {
    const { users: path } = settings.access
    if (path === undefined) return {}
    const users = yield* NodeHtpasswd.make({ path })
    const keys = yield* TokenKeys.ring(tokenKey)
    const policy = policyOf(settings)
    const issuer = url.origin
    const service = url.host
    const tokens = yield* TokenService.make({ issuer, service, keys, users, policy })
    const verify = yield* TokenVerifier.make({ issuer, audience: service, keys })
    return {
      guard: Guard.make({ tokens: { verify, service, realm: `${issuer}/token` }, policy }),
      mounts: { "/token": tokens.answer, "/.well-known/jwks.json": tokens.jwks }
    }
  })

const readTls = ({ tls: { certificate, key } }: Settings) =>
  Effect.gen(function*() {
    if (certificate === undefined && key === undefined) return undefined
    if (certificate === undefined || key === undefined) {
      return yield* new SettingsInvalid({ message: "set both tls.certificate and tls.key, or none of them" })
    }
    const files = yield* FileSystem.FileSystem
    return {
      certificate: yield* files.readFileString(certificate),
      key: Redacted.make(yield* files.readFileString(key))
    }
  })

const respond = (status: number, type: string, text: string): Wire.Response => {
  const bytes = new TextEncoder().encode(text)
  return {
    status,
    headers: { "content-type": type, "content-length": String(bytes.byteLength), "cache-control": "no-store" },
    body: Body.bytes(bytes)
  }
}

const isLocal = ({ remoteAddress = "" }: Wire.Request) => /^(127\.|::1$|::ffff:127\.)/.test(remoteAddress)

/** Answers `/healthz` to everyone, and `/metrics` to programs on this machine unless `metrics.public` is set. */
const mountsOf = (settings: Settings, health: Effect.Effect<Health.Health>) => ({
  "/healthz": () =>
    Effect.map(
      health,
      (report) => respond(Health.isHealthy(report) ? 200 : 503, "application/json", `${JSON.stringify(report)}\n`)
    ),
  "/metrics": (request: Wire.Request) =>
    settings.metrics.public || isLocal(request)
      ? Effect.map(prometheus.text, (text) => respond(200, "text/plain; version=0.0.4; charset=utf-8", text))
      : Effect.succeed(respond(403, "text/plain", "the metrics are for programs on this machine: see metrics.public\n"))
})

/** Returns the address that the last proxy saw. Use it only behind a proxy, because any client can send the header. */
const forwardedFor = ({ headers, remoteAddress }: Wire.Request) =>
  headers["x-forwarded-for"]?.split(",").at(-1)?.trim() ?? remoteAddress

/** Serves a registry. */
const server = (settings: Settings) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const { behindProxy, host, port, shutdown } = settings.server
    const { directory } = settings.storage
    const tls = yield* readTls(settings)
    const url = settings.server.url ?? new URL(`${tls === undefined ? "http" : "https"}://${host}:${port}`)
    const { tokenKey, uploadKey } = yield* secrets.read(join(directory, "keys"))
    const { guard, mounts } = yield* guardOf(settings, tokenKey, url)
    const health = yield* Health.make(settings.storage)
    return NodeRegistryServer.layer({
      host,
      port,
      tls,
      guard,
      uploadKey,
      shutdownTimeout: shutdown,
      hosts: [url.host],
      address: behindProxy ? forwardedFor : undefined,
      mounts: { ...mounts, ...mountsOf(settings, health) }
    })
  }))

/** Deletes old tags, if the settings have a rule. The collector deletes what is then without a tag. */
const retention = ({ retention: { every, keepTags, newest, youngerThan } }: Settings) =>
  newest === undefined && youngerThan === undefined
    ? Layer.empty
    : Retention.layer({ every, newest, youngerThan, keep: ReferenceSet.tags(...keepTags) })

export const layer = (settings: Settings) => {
  const { collector, storage } = settings
  const stores = Durable.layerStores(storage)
  const registry = Store.layer(collector).pipe(Metrics.wrap(), Logging.wrap())
  return server(settings).pipe(
    Layer.provide(registry),
    Layer.merge(retention(settings)),
    Layer.provide(stores)
  )
}
