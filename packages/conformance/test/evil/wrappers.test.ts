/** Unions with a malicious member, retries, and headers of the program on other hosts. */
import { Auth, Credential, Credentials } from "@effect-oci/auth"
import { Registry } from "@effect-oci/core"
import { Retry, Union } from "@effect-oci/middleware"
import { Redirect } from "@effect-oci/transport"
import * as NodeAddressGuard from "@effect-oci/transport/NodeAddressGuard"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect } from "@effect/vitest"
import { Context, Effect, Exit, Layer } from "effect"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import * as NodeEvilRegistry from "../../src/NodeEvilRegistry.js"
import {
  alice,
  behindBasic,
  behindBearer,
  body,
  connect,
  descriptor,
  digest,
  evil,
  evilEach,
  honest,
  repository,
  secretsOf,
  tag,
  tokenServer
} from "./setup.js"

describe("a malicious member of a union does not receive the credentials of another member:", () => {
  const wants: ReadonlyArray<readonly [name: string, answer: (realm: string) => EvilRegistry.Response]> = [
    ["it answers 404", () => ({ status: 404 })],
    ["it requires a password", () => ({ status: 401, headers: { "www-authenticate": "Basic" } })],
    ["it requires a token of the other member's token server", (realm) => ({
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${realm}",service="registry"` }
    })],
    ["it redirects to the other member's token server", (realm) => ({ status: 307, headers: { location: realm } })]
  ]
  evilEach(
    wants.flatMap(([name, answer]) => (["first", "last"] as const).map((position) => ({ name, answer, position }))),
    ({ name, position }) => `${name}, as the ${position} member`,
    ({ answer, position }, evil) =>
      Effect.gen(function*() {
        const isNeeded = position === "last" || answer("").status === 404
        const reason = isNeeded ? undefined : { unsent: "the first member does not answer not found" }
        const password = evil.secret(reason)
        const token = evil.secret(reason)
        const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (request, count) =>
          request.headers.some(([name]) =>
              name === "authorization"
            )
            ? tokenServer(token)(request, count)
            : tokenServer("anonymous")(request, count))
        const realm = `${server.origin}/token`
        const home = yield* evil.site(
          { host: "registry.example", tls: true },
          behindBearer(`Bearer realm="${realm}",service="registry"`, [token], honest)
        )
        const other = yield* evil.site({ host: "evil.example", tls: true }, () => answer(realm))
        evil.belongs(password, server)
        evil.belongs(token, server, home)
        const mine = { name: "mine", registry: yield* connect(evil, home, { credentials: alice(home, password) }) }
        const theirs = { name: "theirs", registry: yield* connect(evil, other) }
        const union = Registry.fromHandler(
          position === "first"
            ? Union.middleware([theirs])(mine.registry.handle)
            : Union.middleware([mine])(theirs.registry.handle)
        )
        const exit = yield* evil.run(union.getManifest(repository, tag))
        if (isNeeded) expect(Exit.isSuccess(exit)).toBe(true)
        yield* evil.run(union.resolveBlob(repository, digest))
        expect(secretsOf(other).length).toBe(
          other.requests.filter(({ headers }) =>
            headers.some(([name, value]) => name === "authorization" && value === "Bearer anonymous")
          ).length
        )
      })
  )
})

describe("a retried request has credentials for the registry, and none for other hosts:", () => {
  const faults: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Response]> = [
    ["after 503", { status: 503, headers: { "retry-after": "0" } }],
    ["after 429", { status: 429, headers: { "retry-after": "0" } }],
    ["after a truncated response", { status: 502, headers: { "content-length": "10" }, body: "x", ending: "break" }]
  ]
  evilEach(
    faults.flatMap(([name, answer]) => (["transport", "middleware"] as const).map((by) => ({ name, answer, by }))),
    ({ by, name }) => `${name}, by the ${by}`,
    ({ answer, by }, evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        let seen = 0
        const other = yield* evil.site({ host: "evil.example", tls: true }, (request, count) =>
          count === 0 ? answer : honest({ ...request, target: "/v2/team/app/manifests/v1" }, count))
        const home = yield* evil.site(
          { host: "registry.example", tls: true },
          behindBasic(password, () =>
            seen++ === 0 ? answer : { status: 307, headers: { location: `${other.origin}/x` } })
        )
        evil.belongs(password, home)
        const registry = yield* connect(evil, home, {
          credentials: alice(home, password),
          retry: { retries: by === "transport" ? 3 : 0, delay: 1 }
        })
        const retried = by === "transport"
          ? registry
          : Registry.fromHandler(Retry.middleware({ delay: 1 })(registry.handle))
        expect(Exit.isSuccess(yield* evil.run(retried.getManifest(repository, tag)))).toBe(true)
        expect(other.requests.length).toBe(2)
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("a request to another host does not contain", () => {
  const kinds: ReadonlyArray<readonly [name: string, make: (secret: string) => Credential.Credential]> = [
    ["a password", (secret) => Credential.basic("alice", secret)],
    ["a registry token", Credential.registryToken]
  ]
  evilEach(kinds, ([name]) => name, ([, make], evil) =>
    Effect.gen(function*() {
      const secret = evil.secret()
      const other = yield* evil.site({ host: "evil.example", tls: true }, honest)
      const home = yield* evil.site({ host: "registry.example", tls: true }, ({ headers, target }) =>
        headers.some(([name]) =>
            name === "authorization"
          )
          ? { status: 307, headers: { location: `${other.origin}${target}` } }
          : { status: 401, headers: { "www-authenticate": "Basic" } })
      evil.belongs(secret, home)
      const registry = yield* connect(evil, home, { credentials: { [home.host]: make(secret) } })
      expect(Exit.isSuccess(yield* evil.run(registry.getManifest(repository, tag)))).toBe(true)
      expect(secretsOf(other)).toEqual([])
    }))

  const headers = ["authorization", "cookie", "x-registry-auth", "private-token", "x-amz-security-token"]
  const ways: { readonly [way: string]: (to: string) => EvilRegistry.Script } = {
    "a redirect": (to) => ({ target }) => ({ status: 307, headers: { location: `${to}${target}` } }),
    "the Location of an upload": (to) => () => ({ status: 202, headers: { location: `${to}/upload` } }),
    "a token server": (to) => () => ({
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${to}/token",service="registry"` }
    })
  }
  evilEach(
    headers.flatMap((name) => Object.entries(ways).map(([way, script]) => ({ name, way, script }))),
    ({ name, way }) => `the header ${name} that the program adds, with ${way}`,
    ({ name, script, way }, evil) =>
      Effect.gen(function*() {
        const secret = evil.secret()
        const other = yield* evil.site({ host: "evil.example", tls: true }, honest)
        const home = yield* evil.site({ host: "registry.example", tls: true }, script(other.origin))
        evil.belongs(secret, home)
        const registry = yield* connect(evil, home, { mapRequest: HttpClientRequest.setHeader(name, secret) })
        yield* evil.run(registry.pushBlob(repository, descriptor, body))
        // A program that sets authorization itself does not answer challenges.
        expect(other.requests.length > 0).toBe(name !== "authorization" || way !== "a token server")
      })
  )
})

evil(
  "Auth.transport around a client that follows redirects does not send credentials to another host",
  (evil) =>
    Effect.gen(function*() {
      const secret = evil.secret()
      const other = yield* evil.site({ host: "evil.example", tls: true }, honest)
      const home = yield* evil.site(
        { host: "registry.example", tls: true },
        behindBasic(secret, ({ target }) => ({ status: 307, headers: { location: `${other.origin}${target}` } }))
      )
      evil.belongs(secret, home)
      const guard = NodeAddressGuard.layer({ lookup: NodeEvilRegistry.lookup(evil), connect: { ca: evil.certificate } })
      const platform = yield* Layer.build(NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(guard)))
      const wrap = yield* Auth.transport({ origin: home.origin }).pipe(
        Effect.provide(Credentials.layerStatic(alice(home, secret)))
      )
      const http = wrap(Redirect.make()(Context.get(platform, HttpClient.HttpClient)))
      const quiet = HttpClient.withTracerDisabledWhen(http, () => true)
      const exit = yield* evil.run(
        quiet.get(`${home.origin}/v2/team/app/manifests/v1`).pipe(
          Effect.map(({ status }) => status),
          Effect.provideService(NodeHttpClient.UndiciRequestOptions, { mayBePrivate: true } as never)
        )
      )
      expect(exit).toEqual(Exit.succeed(200))
      expect(secretsOf(other)).toEqual([])
    })
)
