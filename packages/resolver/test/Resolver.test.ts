import { Credential, Credentials } from "@effect-oci/auth"
import { Body, Descriptor, RepositoryName } from "@effect-oci/core"
import type { Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import type { RequestListener } from "node:http"
import { HostConfig, Resolver } from "../src/index.js"
import { answering, app, nobody, pushImage, recorded, served, v1 } from "./support.js"

const built = <E, R>(layer: Layer.Layer<Resolver.Resolver, E, R>) =>
  Effect.map(Layer.build(layer), Context.get(Resolver.Resolver))

const hosts = (http: Effect.Effect.Success<typeof recorded>, config?: HostConfig.Config) =>
  built(Resolver.layerHosts(config).pipe(Layer.provide(http.layer)))

describe("layerStatic and fallback", () => {
  it.scoped("return the configured registries, and fail for all other hosts", () =>
    Effect.gen(function*() {
      const memory = Memory.layer()
      const resolver = yield* built(
        Resolver.layerStatic({ "one.test": memory, "two.test": memory, "other.test": Memory.layer() })
      )
      const [one, two, other] = yield* Effect.forEach(["one.test", "two.test", "other.test"], resolver.registry)
      const { digest } = yield* pushImage(one!, "one")
      expect((yield* two!.resolveManifest(app, v1)).digest).toBe(digest)
      expect((yield* Effect.flip(other!.resolveManifest(app, v1)))._tag).toBe("OciNameUnknown")
      const error = yield* Effect.flip(resolver.registry("else.test"))
      expect(error.message).toBe(
        "cannot use the registry else.test: this resolver has only one.test, two.test, other.test"
      )
    }))

  it.scoped("use the first resolver that knows the host", () =>
    Effect.gen(function*() {
      const both = yield* built(Resolver.fallback(
        Resolver.layerStatic({ "one.test": Memory.layer() }),
        Resolver.layerStatic({ "one.test": Memory.layer(), "two.test": Memory.layer() })
      ))
      const one = yield* both.registry("one.test")
      yield* pushImage(one, "one")
      expect((yield* Effect.flip((yield* both.registry("two.test")).resolveManifest(app, v1)))._tag).toBe(
        "OciNameUnknown"
      )
      expect((yield* Effect.flip(both.registry("three.test")))._tag).toBe("OciHostUnknown")
    }))
})

describe("registries over HTTP", () => {
  it.scopedLive("are called at their names, by plain HTTP on this machine, and made at the first request", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const { host, registry } = yield* served
      const { digest } = yield* pushImage(registry, "one")
      const resolver = yield* hosts(http)
      yield* resolver.registry("registry.invalid")
      expect(http.lines()).toEqual([])
      const found = yield* resolver.registry(host)
      expect(yield* resolver.registry(host)).toBe(found)
      expect((yield* found.resolveManifest(app, v1)).digest).toBe(digest)
      expect(http.requests.every(({ url }) => url.startsWith("http://127.0.0.1:"))).toBe(true)
      const error = yield* Effect.flip(resolver.registry("not a host"))
      expect(error.message).toContain("cannot use the registry not a host")
    }))

  it.scopedLive("are called through public mirrors for content, and directly for tags", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const origin = yield* served
      const mirror = yield* served
      const old = yield* pushImage(mirror.registry, "old")
      const { blob, digest } = yield* pushImage(origin.registry, "new")
      yield* pushImage(mirror.registry, "new", { repository: RepositoryName.make("proxy/team/app") })
      const resolver = yield* hosts(http, {
        hosts: {
          "registry.test": {
            origin: { host: origin.host },
            mirrors: [{
              host: mirror.host,
              prefix: RepositoryName.make("proxy"),
              capabilities: HostConfig.publicMirror
            }]
          }
        }
      })
      const registry = yield* resolver.registry("registry.test")
      expect((yield* registry.resolveManifest(app, v1)).digest).toBe(digest)
      expect(old.digest).not.toBe(digest)
      expect(http.lines()).toEqual([`HEAD ${origin.host}/v2/team/app/manifests/v1`])
      yield* Effect.scoped(registry.getBlob(app, blob.digest))
      yield* registry.getManifest(app, digest)
      expect(http.lines()).toEqual([
        `GET ${mirror.host}/v2/proxy/team/app/blobs/${blob.digest}?ns=registry.test`,
        `GET ${mirror.host}/v2/proxy/team/app/manifests/${digest}?ns=registry.test`
      ])
      yield* pushImage(registry, "pushed")
      expect(http.lines().every((line) => line.includes(origin.host) && !line.includes("ns="))).toBe(true)
    }))

  it.scopedLive("are called if a mirror is down, and the error names every host that was tried", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const origin = yield* served
      const down = yield* nobody
      const { digest } = yield* pushImage(origin.registry, "one")
      const quick = { retry: { retries: 0 } }
      const config = (originFallback: boolean): HostConfig.Config => ({
        options: quick,
        cooldown: 0,
        hosts: {
          "registry.test": { origin: { host: origin.host }, mirrors: [{ host: down }], originFallback }
        }
      })
      const registry = yield* Effect.flatMap(hosts(http, config(true)), (each) => each.registry("registry.test"))
      expect((yield* registry.resolveManifest(app, v1)).digest).toBe(digest)
      const missing = yield* Effect.flip(registry.resolveManifest(RepositoryName.make("no/where"), v1))
      expect(missing.message).toContain(down)
      const alone = yield* Effect.flatMap(hosts(http, config(false)), (each) => each.registry("registry.test"))
      expect((yield* Effect.flip(alone.getManifest(app, digest)))._tag).toBe("OciTransportError")
      yield* pushImage(alone, "two")
    }))

  it.scopedLive("are at their own addresses if only their headers are configured", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const { host, registry } = yield* served
      const { digest } = yield* pushImage(registry, "one")
      const headers = { "x-key": "value" }
      const resolver = yield* hosts(http, { hosts: { [host]: { origin: { headers } } } })
      expect((yield* (yield* resolver.registry(host)).resolveManifest(app, v1)).digest).toBe(digest)
      expect(http.requests.map(({ headers, url }) => [headers["x-key"], new URL(url).origin])).toEqual([
        ["value", `http://${host}`]
      ])
      const urls: Array<string> = []
      const offline = HttpClient.make((request) => {
        urls.push(request.url)
        return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport" }))
      })
      const others = yield* built(
        Resolver.layerHosts({ others: { origin: { headers, client: offline } }, options: { retry: { retries: 0 } } })
          .pipe(
            Layer.provide(http.layer)
          )
      )
      yield* Effect.flip((yield* others.registry("docker.io")).resolveManifest(app, v1))
      expect(urls).toEqual(["https://registry-1.docker.io/v2/team/app/manifests/v1"])
    }))

  it.scopedLive("are called at the path of their API, also without /v2", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const server = yield* answering((_, response) => void response.writeHead(404).end())
      const apiPath = "/artifactory/api/docker/remote"
      for (const [at, path] of [[apiPath, apiPath], ["", ""], ["/v2/Other/", "/v2/Other"]] as const) {
        const resolver = yield* hosts(http, {
          hosts: { "registry.test": { mirrors: [{ host: server.host, apiPath: at }], originFallback: false } }
        })
        const registry = yield* resolver.registry("registry.test")
        yield* Effect.flip(registry.resolveManifest(app, v1))
        expect(server.requests.splice(0)).toEqual([`HEAD ${path}/team/app/manifests/v1?ns=registry.test`])
      }
    }))

  it.scopedLive("send ns to a server at another address, if namespace is true", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const server = yield* answering((_, response) => void response.writeHead(404).end())
      for (const namespace of [true, false]) {
        const resolver = yield* hosts(http, { others: { origin: { host: server.host, namespace } } })
        for (const host of ["registry.test", server.host]) {
          yield* Effect.flip((yield* resolver.registry(host)).resolveManifest(app, v1))
          expect(server.requests.splice(0)).toEqual([
            `HEAD /v2/team/app/manifests/v1${namespace && host !== server.host ? "?ns=registry.test" : ""}`
          ])
        }
      }
    }))

  it.scopedLive("fail if their configuration has a problem, and other registries work", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const resolver = yield* hosts(http, {
        hosts: { "registry.test": { problem: "hosts.toml:3: server: must be a string" } }
      })
      const error = yield* Effect.flip(resolver.registry("registry.test"))
      expect(error.message).toBe(
        "cannot use the registry registry.test: hosts.toml:3: server: must be a string"
      )
      yield* resolver.registry("other.test")
    }))

  describe("with a mirror that fails", () => {
    const quick = { retry: { retries: 0 } }
    const through = (mirror: string, origin: string, more?: HostConfig.Config) =>
      Effect.gen(function*() {
        const http = yield* recorded
        const config = {
          options: quick,
          hosts: { "registry.test": { origin: { host: origin }, mirrors: [{ host: mirror }] } },
          ...more
        }
        return yield* (yield* hosts(http, config)).registry("registry.test")
      })
    const plain = (status: number): RequestListener => (_, response) => void response.writeHead(status).end()
    const failures: ReadonlyArray<readonly [name: string, answer: RequestListener]> = [
      ...[400, 401, 403, 404, 405, 410, 418, 421, 429, 451, 500, 501, 503].map((status) =>
        [String(status), plain(status)] as const
      ),
      ["a page of HTML", (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>")],
      ["a redirect without end", (request, response) => void response.writeHead(307, { location: request.url! }).end()],
      [
        "a realm that is not trusted",
        (_, response) =>
          void response.writeHead(401, { "www-authenticate": "Bearer realm=\"http://evil.test/token\"" }).end()
      ],
      ["a connection that breaks", (request) => void request.socket.destroy()]
    ]

    it.scopedLive.each(failures)(
      "continue with the registry itself, whose error is final: %s",
      ([, answer]) =>
        Effect.gen(function*() {
          const mirror = yield* answering(answer)
          const origin = yield* served
          const { blob, digest } = yield* pushImage(origin.registry, "one")
          const registry = yield* through(mirror.host, origin.host, { options: quick, cooldown: 0 })
          expect((yield* registry.resolveManifest(app, v1)).digest).toBe(digest)
          expect((yield* registry.getManifest(app, v1)).descriptor.digest).toBe(digest)
          yield* Effect.scoped(registry.getBlob(app, blob.digest))
          expect(mirror.requests.length).toBeGreaterThan(1)
          const missing = yield* Effect.flip(registry.resolveManifest(RepositoryName.make("no/where"), v1))
          expect(missing).toMatchObject({ _tag: expect.stringMatching(/^Oci(Name|Manifest)Unknown$/), status: 404 })
          expect(missing.reason).toContain(`${mirror.host}: `)
        })
    )

    const content = new Uint8Array(1_000_000).map((_, index) => index % 251)
    const layer = Descriptor.fromBytes(content)
    const withLayer = Effect.tap(
      served,
      ({ registry }) => registry.pushBlob(app, layer, Body.bytes(content))
    )
    const sends = (bytes: Uint8Array): RequestListener => (_, response) => {
      response.writeHead(200, { "content-length": content.byteLength })
      response.write(bytes, () => bytes.byteLength === content.byteLength ? response.end() : response.destroy())
    }
    const download = (registry: Registry["Type"]) =>
      Effect.scoped(
        Effect.flatMap(registry.getBlob(app, layer.digest), ({ body }) =>
          Body.toBytes(body, { limit: content.byteLength, onLimit: () => "too large" }))
      )

    it.scopedLive("continue a blob that breaks off at the registry itself, from the first missing byte", () =>
      Effect.gen(function*() {
        const mirror = yield* answering(sends(content.subarray(0, 400_000)))
        const origin = yield* withLayer
        const http = yield* recorded
        const registry = yield* Effect.flatMap(
          hosts(http, {
            options: quick,
            hosts: { "registry.test": { origin: { host: origin.host }, mirrors: [{ host: mirror.host }] } }
          }),
          (resolver) => resolver.registry("registry.test")
        )
        expect(Descriptor.fromBytes(yield* download(registry)).digest).toBe(layer.digest)
        expect(http.requests.map(({ headers }) => headers["range"])).toEqual([
          undefined,
          expect.stringMatching(/^bytes=[1-9]\d*-999999$/)
        ])
        // For a while the mirror is not tried first.
        expect(Descriptor.fromBytes(yield* download(registry)).digest).toBe(layer.digest)
        expect(mirror.requests.length).toBe(1)
      }))

    it.scopedLive("fail after wrong bytes, name the mirror, and read from the registry itself the next time", () =>
      Effect.gen(function*() {
        const mirror = yield* answering(sends(content.map((byte, index) => index === 7 ? 0 : byte)))
        const origin = yield* withLayer
        const registry = yield* through(mirror.host, origin.host)
        const error = yield* Effect.flip(download(registry))
        expect(error).toMatchObject({ _tag: "OciDigestInvalid" })
        expect((error as RegistryError.RegistryError).reason).toContain(`wrong content from ${mirror.host}: `)
        expect(Descriptor.fromBytes(yield* download(registry)).digest).toBe(layer.digest)
        expect(mirror.requests.length).toBe(1)
      }))
  })

  it.scopedLive("receive their own headers and credentials only", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const origin = yield* served
      const mirror = yield* served
      const { digest } = yield* pushImage(origin.registry, "one")
      const config: HostConfig.Config = {
        hosts: {
          "registry.test": {
            origin: { host: origin.host },
            mirrors: [{
              host: mirror.host,
              headers: { "x-key": Redacted.make("CANARY-header") },
              credentials: {
                get: () => Effect.succeed([Credential.registryToken(Redacted.make("CANARY-mirror"))])
              }
            }]
          }
        }
      }
      const resolver = yield* built(
        Resolver.layerHosts(config).pipe(
          Layer.provide(http.layer),
          Layer.provide(
            Credentials.layerStatic({ [origin.host]: Credential.registryToken(Redacted.make("CANARY-origin")) })
          )
        )
      )
      const registry = yield* resolver.registry("registry.test")
      expect((yield* registry.resolveManifest(app, v1)).digest).toBe(digest)
      const seen = http.requests.map(({ headers, url }) => ({
        host: new URL(url).host,
        key: headers["x-key"],
        token: headers["authorization"]
      }))
      expect(seen).toEqual([
        { host: mirror.host, key: "CANARY-header", token: "Bearer CANARY-mirror" },
        { host: origin.host, key: undefined, token: "Bearer CANARY-origin" }
      ])
    }))

  it.scopedLive("fail with an error that names NodeResolver for their own certificates", () =>
    Effect.gen(function*() {
      const http = yield* recorded
      const resolver = yield* hosts(http, {
        hosts: { "registry.test": { origin: { host: "registry.test", tls: { skipVerify: true } } } }
      })
      const error = yield* Effect.flip(resolver.registry("registry.test"))
      expect(error.message).toContain("use NodeResolver")
    }))
})
