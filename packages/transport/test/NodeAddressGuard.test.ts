import * as Client from "@effect-oci/client/Client"
import { Body, Registry, RegistryError } from "@effect-oci/core"
import { serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, Server } from "@effect-oci/testing/NodeScripted"
import { descriptor, repository, tag } from "@effect-oci/testing/Samples"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import type { LookupFunction } from "node:net"
import * as NodeAddressGuard from "../src/NodeAddressGuard.js"

/**
 * A resolver that returns a name's answers one after another, and repeats the last one. It records the names that it
 * resolves.
 */
const resolver = (names: { readonly [name: string]: ReadonlyArray<ReadonlyArray<string>> }) => {
  const lookups: Array<string> = []
  const lookup: LookupFunction = (hostname, options, callback) => {
    const count = lookups.filter((name) => name === hostname).length
    lookups.push(hostname)
    const answers = names[hostname] ?? []
    const addresses = (answers[Math.min(count, answers.length - 1)] ?? []).map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4
    }))
    const [first] = addresses
    if (first === undefined) return callback(Object.assign(new Error("none"), { code: "ENOTFOUND" }), "", 0)
    return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
  }
  return { lookups, lookup }
}

const http = (options: NodeAddressGuard.Options) =>
  NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(NodeAddressGuard.layer(options)))

/** The platform's client without any transports. */
const platform = (options: NodeAddressGuard.Options) =>
  Effect.map(Layer.build(http(options)), Context.get(HttpClient.HttpClient))

const ok: Answer = { status: 200, body: `{"repositories":["a"]}`, headers: { "content-type": "application/json" } }

describe("a name that resolves to a non-public address", () => {
  const cases: ReadonlyArray<readonly [address: string, kind: string]> = [
    ["127.0.0.1", "a loopback address"],
    ["10.0.0.1", "a private address"],
    ["169.254.169.254", "a link-local address"],
    ["0.0.0.0", "the unspecified address"],
    ["::1", "a loopback address"],
    ["::ffff:127.0.0.1", "a loopback address"],
    ["64:ff9b::a00:1", "a private address"],
    ["fd00:ec2::254", "a private address"],
    ["fe80::1%lo", "a link-local address"]
  ]
  it.scoped.each(cases)("%s (%s) is not connected to", ([address, kind]) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ok)
      const { lookup } = resolver({ "evil.example": [[address]] })
      const client = yield* platform({ lookup })
      const error = yield* Effect.flip(client.get(`http://evil.example:${server.host.split(":")[1]}/`))
      expect(error.cause).toBeInstanceOf(RegistryError.Refused)
      expect((error.cause as RegistryError.Refused).message).toBe(
        `evil.example is at ${kind}: add the host to allowPrivate to allow it`
      )
      expect(server.connections.size + server.requests.length).toBe(0)
    }))
})

it.scoped.each(["127.0.0.1", "[::1]", "[::ffff:7f00:1]"])(
  "does not connect to a non-public address: %s",
  (host) =>
    Effect.gen(function*() {
      const client = yield* platform({})
      const error = yield* Effect.flip(client.get(`http://${host}:1/`))
      expect(error.cause).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
    })
)

it.scoped("a name with several non-public addresses is resolved once and not connected to", () =>
  Effect.gen(function*() {
    const { lookups, lookup } = resolver({ "mixed.example": [["192.0.2.1", "127.0.0.1"]] })
    const client = yield* platform({ lookup })
    expect((yield* Effect.flip(client.get("http://mixed.example/"))).cause).toMatchObject({ _tag: "OciRefused" })
    expect(lookups).toEqual(["mixed.example"])
  }))

it.scoped("a name without an address fails with the error of the resolver", () =>
  Effect.gen(function*() {
    const client = yield* platform({ lookup: resolver({}).lookup })
    expect((yield* Effect.flip(client.get("http://nowhere.example/"))).cause).toMatchObject({ code: "ENOTFOUND" })
  }))

describe("a client", () => {
  const repositories = (
    answer: (port: string) => Answer,
    names: { readonly [name: string]: ReadonlyArray<ReadonlyArray<string>> },
    options?: Partial<Client.Options & Client.TransportOptions>
  ) =>
    Effect.gen(function*() {
      const server = yield* serve(({ headers }, count) => count === 0 ? answer(headers.host?.split(":")[1] ?? "") : ok)
      const { lookups, lookup } = resolver(names)
      const registry = yield* Effect.map(
        Layer.build(
          Client.layer({
            host: `registry.example:${server.host.split(":")[1]}`,
            insecure: true,
            retry: { retries: 0 },
            ...options
          }).pipe(Layer.provide(http({ lookup })))
        ),
        Context.get(Registry)
      )
      const answered = yield* Effect.either(Stream.runCollect(registry.listRepositories()))
      return { answered, lookups, lines: server.lines() }
    })

  const elsewhere = (port: string): Answer => ({
    status: 307,
    headers: { location: `http://cdn.example:${port}/there` }
  })
  const home = { "registry.example": [["127.0.0.1"]] }

  it.scoped("connects to its own registry at any address", () =>
    Effect.gen(function*() {
      expect((yield* repositories(() => ok, home)).answered._tag).toBe("Right")
    }))

  it.scoped("does not follow a redirect to a name with a private address", () =>
    Effect.gen(function*() {
      const { answered, lines } = yield* repositories(elsewhere, { ...home, "cdn.example": [["127.0.0.1"]] })
      expect(answered).toMatchObject({
        _tag: "Left",
        left: { _tag: "OciRefused", by: "NodeAddressGuard", operation: "ListRepositories" }
      })
      expect(lines.length).toBe(1)
    }))

  it.scoped("follows a redirect to a name that allowPrivate contains", () =>
    Effect.gen(function*() {
      const names = { ...home, "cdn.example": [["127.0.0.1"]] }
      const { answered, lines } = yield* repositories(elsewhere, names, { allowPrivate: ["cdn.example"] })
      expect(answered._tag).toBe("Right")
      expect(lines[1]).toBe("GET /there")
    }))

  it.scoped("resolves a name only once, so that its address cannot change after the check", () =>
    Effect.gen(function*() {
      const names = { ...home, "cdn.example": [["fe80::1"], ["127.0.0.1"]] }
      const { answered, lookups, lines } = yield* repositories(elsewhere, names)
      expect(answered).toMatchObject({ _tag: "Left", left: { _tag: "OciRefused" } })
      expect(lookups.filter((name) => name === "cdn.example").length).toBe(1)
      expect(lines.length).toBe(1)
    }))

  it.scoped("guards requests that are sent while a body is pushed to its own registry", () =>
    Effect.gen(function*() {
      const portOf = ({ host }: Server) => host.split(":")[1]
      const inside = yield* serve(() => ok)
      const leading = yield* serve(() => elsewhere(portOf(inside) ?? ""))
      const target = yield* serve(({ method, target }) =>
        method === "POST" ? { status: 202, headers: { location: `${target}1` } } : { status: 201 }
      )
      const names = { ...home, "mirror.example": [["127.0.0.1"]], "cdn.example": [["127.0.0.1"]] }
      const shared = yield* Layer.build(http(resolver(names)))
      const registryAt = (host: string) =>
        Effect.map(
          Layer.build(
            Client.layer({ host, insecure: true, retry: { retries: 0 } }).pipe(
              Layer.provide(Layer.succeedContext(shared))
            )
          ),
          Context.get(Registry)
        )
      const to = yield* registryAt(`registry.example:${portOf(target)}`)
      const from = yield* registryAt(`mirror.example:${portOf(leading)}`)
      // Pulls from one registry while pushing to the other, as a copy does when it resumes after a broken connection.
      const content = Stream.fromEffect(Effect.map(from.getManifest(repository, tag), ({ bytes }) => bytes))
      const error = yield* Effect.flip(to.pushBlob(repository, descriptor, Body.stream(content)))
      expect(error).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
      expect(inside.requests.length).toBe(0)
    }))

  it.scoped("does not reuse the connections of another client that trusts the host", () =>
    Effect.gen(function*() {
      const names = { ...home, "cdn.example": [["127.0.0.1"]] }
      const server = yield* serve(() => ok)
      const { lookup } = resolver(names)
      const context = yield* Layer.build(http({ lookup }))
      const port = server.host.split(":")[1]
      const trusting = Client.layer({ host: `cdn.example:${port}`, insecure: true })
      const other = Client.layer({ host: `registry.example:${port}`, insecure: true, retry: { retries: 0 } })
      const list = (layer: typeof other) =>
        Effect.flatMap(Registry, (registry) => Stream.runCollect(registry.listRepositories())).pipe(
          Effect.provide(Layer.provide(layer, Layer.succeedContext(context)))
        )
      yield* list(trusting)
      const requests = server.requests.length
      const leading = yield* serve(() => elsewhere(port ?? ""))
      const led = Client.layer({ host: `registry.example:${leading.host.split(":")[1]}`, insecure: true })
      expect(yield* Effect.flip(list(led))).toMatchObject({ _tag: "OciRefused" })
      expect(server.requests.length).toBe(requests)
    }))
})
