import { Credential, Credentials } from "@effect-oci/auth"
import { Registry } from "@effect-oci/core"
import { proxy as startProxy } from "@effect-oci/testing/NodeProxyServer"
import { serve } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Stream } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { LookupFunction } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import * as NodeClient from "../src/NodeClient.js"

const repositories: Answer = {
  status: 200,
  body: `{"repositories":["a"]}`,
  headers: { "content-type": "application/json" }
}

/** A registry that requires a password. */
const guarded = serve(({ headers }) =>
  headers.authorization === undefined
    ? { status: 401, headers: { "www-authenticate": `Basic realm="registry"` } }
    : repositories
)

/** Resolves every name to this machine. */
const lookup: LookupFunction = (_name, options, callback) =>
  options.all === true ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4)

const basic = (login: string) => `Basic ${Buffer.from(login).toString("base64")}`

/** Uses a Docker configuration that has a login for a host. */
const dockerConfig = (host: string, login: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "docker-"))
      const auth = Buffer.from(login).toString("base64")
      writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }))
      vi.stubEnv("DOCKER_CONFIG", folder)
      return folder
    }),
    (folder) =>
      Effect.sync(() => {
        vi.unstubAllEnvs()
        rmSync(folder, { recursive: true })
      })
  )

const setEnvironment = (environment: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))

const list = <E>(client: Layer.Layer<Registry, E>, environment: Record<string, string> = {}) =>
  Effect.flatMap(Registry, (registry) => Stream.runCollect(registry.listRepositories())).pipe(
    Effect.provide(Layer.provide(client, setEnvironment(environment)))
  )

describe("credentials", () => {
  it.scoped("are those of Docker's configuration by default", () =>
    Effect.gen(function*() {
      const server = yield* guarded
      yield* dockerConfig(server.host, "alice:secret")
      yield* list(NodeClient.layer({ host: server.host, insecure: true }))
      expect(server.requests.at(-1)?.headers.authorization).toBe(basic("alice:secret"))
      const pong = yield* NodeClient.ping({ host: server.host, insecure: true })
      expect(pong.registry).toBe(server.host)
    }))

  it.scoped("are those that are provided to each client, if any are provided", () =>
    Effect.gen(function*() {
      const server = yield* guarded
      yield* dockerConfig(server.host, "docker:secret")
      const client = (username: string) =>
        NodeClient.layer({ host: server.host, insecure: true }).pipe(
          Layer.provide(Credentials.layerStatic({ [server.host]: Credential.basic(username, "secret") }))
        )
      for (const username of ["alice", "bob"]) {
        yield* list(client(username))
        expect(server.requests.at(-1)?.headers.authorization).toBe(basic(`${username}:secret`))
      }
      const anonymous = Layer.provide(
        NodeClient.layer({ host: server.host, insecure: true }),
        Credentials.layerAnonymous
      )
      expect(yield* Effect.flip(list(anonymous))).toMatchObject({ _tag: "OciUnauthorized" })
    }))
})

it.scoped("a redirect to a name at a private address is refused", () =>
  Effect.gen(function*() {
    const inside = yield* serve(() => repositories)
    const port = inside.host.split(":")[1]
    const server = yield* serve(() => ({ status: 307, headers: { location: `http://evil.example:${port}/` } }))
    const error = yield* Effect.flip(list(NodeClient.layer({ host: server.host, insecure: true, lookup })))
    expect(error).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard", operation: "ListRepositories" })
    expect(inside.requests).toEqual([])
  }))

it.scoped("requests to the token server are also sent through the proxy", () =>
  Effect.gen(function*() {
    const server = yield* serve(({ headers, target }) =>
      target.startsWith("/token")
        ? { status: 200, body: `{"token":"abc"}`, headers: { "content-type": "application/json" } }
        : headers.authorization === "Bearer abc"
        ? repositories
        : { status: 401, headers: { "www-authenticate": `Bearer realm="http://registry.example/token"` } }
    )
    const proxy = yield* startProxy(Number(server.host.split(":")[1]))
    const client = NodeClient.layer({ host: "registry.example", insecure: true })
    expect([...(yield* list(client, { HTTP_PROXY: proxy.host }))]).toEqual(["a"])
    expect(proxy.lines().map((line) => line.split("?")[0])).toEqual([
      "GET http://registry.example/v2/_catalog",
      "GET http://registry.example/token",
      "GET http://registry.example/v2/_catalog"
    ])
  }))

it.effect("layerConfig reads the host, and fails with a ConfigError if it is not valid", () =>
  Effect.gen(function*() {
    const build = (host: string) =>
      Layer.build(NodeClient.layerConfig({ host: Config.string("HOST") })).pipe(
        Effect.scoped,
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["HOST", host]])))
      )
    yield* build("registry.example.com")
    expect(yield* Effect.flip(build("no host"))).toMatchObject({ _op: "InvalidData", path: ["host"] })
  }))

it.scoped("fails with a ConfigError for an invalid proxy, and with SyntaxInvalid for an invalid host", () =>
  Effect.gen(function*() {
    const client = NodeClient.layer({ host: "registry.example" })
    expect(yield* Effect.flip(list(client, { HTTPS_PROXY: "ftp://proxy" }))).toMatchObject({ _op: "InvalidData" })
    expect(yield* Effect.flip(NodeClient.make({ host: "no host" }))).toMatchObject({ _tag: "OciSyntaxInvalid" })
  }))
