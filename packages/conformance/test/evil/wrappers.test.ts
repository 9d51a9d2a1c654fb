/** Registries that mean harm beside those that do not, and requests that are sent again. */
import { Auth, Credential, Credentials } from "@effect-oci/auth"
import { Redirect } from "@effect-oci/client"
import * as NodeAddressGuard from "@effect-oci/client/NodeAddressGuard"
import { Registry } from "@effect-oci/core"
import { Retry, Union } from "@effect-oci/middleware"
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
  giving,
  honest,
  repository,
  secretsOf,
  tag
} from "./setup.js"

describe("a member of a union gets no other's credentials:", () => {
  const wants: ReadonlyArray<readonly [name: string, answer: (realm: string) => EvilRegistry.Answer]> = [
    ["it does not ask", () => ({ status: 404 })],
    ["it wants a password", () => ({ status: 401, headers: { "www-authenticate": "Basic" } })],
    ["it wants a token of the other's server", (realm) => ({
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${realm}",service="registry"` }
    })],
    ["it leads to the other", (realm) => ({ status: 307, headers: { location: realm } })]
  ]
  evilEach(
    wants.flatMap(([name, answer]) => (["first", "last"] as const).map((place) => ({ name, answer, place }))),
    ({ name, place }) => `${name}, ${place}`,
    ({ answer, place }, evil) =>
      Effect.gen(function*() {
        const isNeeded = place === "last" || answer("").status === 404
        const reason = isNeeded ? undefined : { unsent: "what the first says is not that there is nothing" }
        const password = evil.secret(reason)
        const token = evil.secret(reason)
        const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (asked, count) =>
          asked.headers.some(([name]) =>
              name === "authorization"
            )
            ? giving(token)(asked, count)
            : giving("nobody")(asked, count))
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
          place === "first"
            ? Union.middleware([theirs])(mine.registry.handle)
            : Union.middleware([mine])(theirs.registry.handle)
        )
        const exit = yield* evil.ask(union.getManifest(repository, tag))
        if (isNeeded) expect(Exit.isSuccess(exit)).toBe(true)
        yield* evil.ask(union.resolveBlob(repository, digest))
        expect(secretsOf(other).length).toBe(
          other.asked.filter(({ headers }) =>
            headers.some(([name, value]) => name === "authorization" && value === "Bearer nobody")
          ).length
        )
      })
  )
})

describe("a request that is sent again goes with its credentials to its registry, and without to others:", () => {
  const faults: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Answer]> = [
    ["after 503", { status: 503, headers: { "retry-after": "0" } }],
    ["after 429", { status: 429, headers: { "retry-after": "0" } }],
    ["after a broken answer", { status: 502, headers: { "content-length": "10" }, body: "x", ending: "break" }]
  ]
  evilEach(
    faults.flatMap(([name, answer]) => (["transport", "middleware"] as const).map((by) => ({ name, answer, by }))),
    ({ by, name }) => `${name}, by the ${by}`,
    ({ answer, by }, evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        let seen = 0
        const other = yield* evil.site({ host: "evil.example", tls: true }, (asked, count) =>
          count === 0 ? answer : honest({ ...asked, target: "/v2/team/app/manifests/v1" }, count))
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
        expect(Exit.isSuccess(yield* evil.ask(retried.getManifest(repository, tag)))).toBe(true)
        expect(other.asked.length).toBe(2)
        expect(secretsOf(other)).toEqual([])
      })
  )
})

describe("on the way to another host is left behind", () => {
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
      expect(Exit.isSuccess(yield* evil.ask(registry.getManifest(repository, tag)))).toBe(true)
      expect(secretsOf(other)).toEqual([])
    }))

  const headers = ["authorization", "cookie", "x-registry-auth", "private-token", "x-amz-security-token"]
  const ways: { readonly [way: string]: (to: string) => EvilRegistry.Script } = {
    "a redirect": (to) => ({ target }) => ({ status: 307, headers: { location: `${to}${target}` } }),
    "the place of an upload": (to) => () => ({ status: 202, headers: { location: `${to}/upload` } }),
    "a token server": (to) => () => ({
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${to}/token",service="registry"` }
    })
  }
  evilEach(
    headers.flatMap((name) => Object.entries(ways).map(([way, script]) => ({ name, way, script }))),
    ({ name, way }) => `what a program adds itself: ${name}, to ${way}`,
    ({ name, script, way }, evil) =>
      Effect.gen(function*() {
        const secret = evil.secret()
        const other = yield* evil.site({ host: "evil.example", tls: true }, honest)
        const home = yield* evil.site({ host: "registry.example", tls: true }, script(other.origin))
        evil.belongs(secret, home)
        const registry = yield* connect(evil, home, { adding: HttpClientRequest.setHeader(name, secret) })
        yield* evil.ask(registry.pushBlob(repository, descriptor, body))
        // Who shows who asks by himself answers no challenge.
        expect(other.asked.length > 0).toBe(name !== "authorization" || way !== "a token server")
      })
  )
})

evil(
  "authentication alone, round a client that follows redirects by itself, is as careful",
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
      const exit = yield* evil.ask(
        quiet.get(`${home.origin}/v2/team/app/manifests/v1`).pipe(
          Effect.map(({ status }) => status),
          Effect.provideService(NodeHttpClient.UndiciRequestOptions, { mayBePrivate: true } as never)
        )
      )
      expect(exit).toEqual(Exit.succeed(200))
      expect(secretsOf(other)).toEqual([])
    })
)
