import { Answer, Registry, RegistryError } from "@effect-oci/core"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import type { Users } from "@effect-oci/guard"
import { Memory } from "@effect-oci/store"
import { HttpApp, HttpRouter } from "@effect/platform"
import { expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import { RegistryServer } from "../src/index.js"

const answer = () => Effect.die("never asked")
const answerOwn = () => Effect.succeed({ status: 298, headers: {}, body: undefined })

it.effect.each(["/v2", "/v2/", "/v2/team/app/tags/list", "/token?x=1", "/token#x"] as const)(
  "nothing is mounted in the distribution API, nor at a path that is none: %s",
  (path) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      expect(() => RegistryServer.make({ mounts: { [path]: answer } })(handle)).toThrow(`cannot mount at ${path}`)
    }).pipe(Effect.provide(Memory.layer()))
)

it.effect("a path that ends in a slash is mounted with all below it, and no other path", () =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const mounted = Effect.succeed({ status: 299, headers: {}, body: undefined })
    const serve = RegistryServer.make({ mounts: { "/admin/": () => mounted, "/admin/own": answerOwn } })(handle)
    const statuses = yield* Effect.forEach(
      ["/admin/", "/admin/a/b?x=1", "/admin/own", "/admin/own/x", "/admin", "/administrator", "/", "/v2/"],
      (target) => Effect.map(serve({ method: "GET", target, headers: {}, body: undefined }), ({ status }) => status)
    )
    expect(statuses).toEqual([299, 299, 298, 299, 404, 404, 404, 200])
  }).pipe(Effect.provide(Memory.layer())))

const users: Users.Users = {
  check: ({ password, username }) =>
    Redacted.value(password) === "secret"
      ? Answer.succeed({ identity: { name: username, claims: {} }, version: "" })
      : Answer.fail(new RegistryError.Unauthorized({})),
  find: () => Answer.succeed(undefined)
}

it.live("serves a token service in a router next to the registry that accepts its tokens", () =>
  Effect.gen(function*() {
    const names = { issuer: "tokens", service: "registry" }
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ ...names, keys, users, policy: Policy.authenticated })
    const verify = yield* TokenVerifier.make({ issuer: names.issuer, audience: names.service, keys })
    const realm = "https://registry.example/auth/token"
    const guard = Guard.make({ tokens: { verify, realm, service: names.service } })
    const router = HttpRouter.empty.pipe(
      HttpRouter.all("/auth/token", RegistryServer.toHttpApp(tokens.answer)),
      HttpRouter.get("/auth/keys", RegistryServer.toHttpApp(tokens.jwks)),
      HttpRouter.mountApp("/v2", RegistryServer.app({ guard }), { includePrefix: true })
    )
    const handler = HttpApp.toWebHandlerRuntime(yield* Effect.runtime<Registry>())(router)
    const ask = (path: string, init?: RequestInit) =>
      Effect.promise(() => handler(new Request(`https://registry.example${path}`, init)))

    const refused = yield* ask("/v2/team/app/tags/list")
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
      401,
      `Bearer realm="${realm}",service="registry",scope="repository:team/app:pull"`
    ])
    const scope = "repository:team/app:pull"
    const form = new URLSearchParams({ grant_type: "password", username: "alice", password: "secret", scope })
    for (
      const given of [
        yield* ask("/auth/token", { method: "POST", body: form }),
        yield* ask(`/auth/token?scope=${scope}`, { headers: { authorization: `Basic ${btoa("alice:secret")}` } })
      ]
    ) {
      expect(given.status).toBe(200)
      const { token } = (yield* Effect.promise(() => given.json())) as { readonly token: string }
      const headers = { authorization: `Bearer ${token}` }
      expect((yield* ask("/v2/team/app/tags/list", { headers })).status).toBe(404)
      expect((yield* ask("/v2/team/other/tags/list", { headers })).status).toBe(401)
    }
    const large = { method: "POST", body: new URLSearchParams({ grant_type: "x".repeat(20_000) }) }
    expect((yield* ask("/auth/token", large)).status).toBe(413)
    const published = yield* ask("/auth/keys")
    expect(yield* Effect.promise(() => published.json())).toMatchObject({ keys: [{ kid: keys.signing().id }] })
  }).pipe(Effect.provide(Layer.merge(Memory.layer(), Logger.remove(Logger.defaultLogger)))))
