import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Answer, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import type { Users } from "@effect-oci/guard"
import { HttpClient } from "@effect/platform"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Enforce, Explain, Explanation } from "../src/index.js"
import * as copies from "./copies.js"
import { app, pushImage, v1 } from "./copies.js"

type Service = Registry["Type"]

const host = "registry.test"
const other = RepositoryName.make("team/other")

/** Connects to the registry, and runs a program. */
const on = <A, E>(f: (registry: Service) => Effect.Effect<A, E>) => Effect.flatMap(Client.make({ host }), f)

const retag = (...tags: ReadonlyArray<string>) => (registry: Service) =>
  Effect.gen(function*() {
    const { bytes, descriptor: { mediaType } } = yield* registry.getManifest(app, v1)
    for (const tag of tags) yield* registry.pushManifest(app, { mediaType, bytes, tags: [Tag.make(tag)] })
  })

const world = Effect.gen(function*() {
  const { registry } = yield* copies.inMemory
  yield* pushImage(registry, ["one"], [v1])
  const base = Explain.httpClient({ [host]: registry, "elsewhere.test": registry })
  const explained = <A, E>(f: (registry: Service) => Effect.Effect<A, E>) =>
    Effect.map(Effect.provideService(Explain.run(on(f)), HttpClient.HttpClient, base), ({ explanation }) => explanation)
  const held = <A, E>(
    options: Enforce.Options,
    program: Effect.Effect<A, E, HttpClient.HttpClient>
  ) => Effect.provideService(program, HttpClient.HttpClient, Enforce.transport(options)(base))
  return { registry, explained, held }
})

const unforeseen = (error: unknown): Enforce.Unforeseen => {
  expect(error).toBeInstanceOf(RegistryError.Refused)
  const { cause } = error as RegistryError.Refused
  expect(cause).toBeInstanceOf(Enforce.Unforeseen)
  return cause as Enforce.Unforeseen
}

describe("a program that is held to its explanation", () => {
  it.scoped("runs, and is refused one more scope, which the error names", () =>
    Effect.gen(function*() {
      const { explained, held, registry } = yield* world
      const explanation = yield* explained(retag("stable"))
      yield* held({ explanation }, on(retag("stable")))
      expect((yield* registry.resolveManifest(app, Tag.make("stable"))).digest).toMatch(/^sha256:/)

      const error = unforeseen(
        yield* Effect.flip(held({ explanation }, on((client) => client.deleteTag(app, v1))))
      )
      expect(String(error.missing)).toBe("repository:team/app:delete")
      expect(error.message).toBe(
        "DELETE /v2/team/app/manifests/v1 to https://registry.test was not foreseen: the explanation does not contain " +
          "the scope repository:team/app:delete; explain the program again, and review what changed"
      )
      expect((yield* registry.resolveManifest(app, v1)).digest).toMatch(/^sha256:/)
      unforeseen(yield* Effect.flip(held({ explanation }, on((client) => client.resolveManifest(other, v1)))))
    }))

  it.scoped("is refused another host", () =>
    Effect.gen(function*() {
      const { explained, held } = yield* world
      const explanation = yield* explained(retag("stable"))
      const elsewhere = Effect.flatMap(Client.make({ host: "elsewhere.test" }), (client) =>
        client.resolveManifest(app, v1))
      const error = unforeseen(yield* Effect.flip(held({ explanation }, elsewhere)))
      expect(error).toMatchObject({ registry: "https://elsewhere.test", missing: "registry" })
      const direct = Effect.flatMap(HttpClient.HttpClient, (client) =>
        client.get("https://elsewhere.test/secret"))
      const failure = yield* Effect.flip(held({ explanation }, direct))
      unforeseen((failure as { readonly cause?: unknown }).cause)
    }))

  it.scoped("is refused one more request, if requests are compared", () =>
    Effect.gen(function*() {
      const { explained, held, registry } = yield* world
      const explanation = yield* explained(retag("stable"))
      yield* held({ explanation }, on(retag("stable", "latest")))
      yield* held({ explanation, by: "requests" }, on(retag("stable", "stable")))
      const error = unforeseen(
        yield* Effect.flip(held({ explanation, by: "requests" }, on(retag("stable", "next"))))
      )
      expect(error).toMatchObject({ missing: "request", request: "PUT /v2/team/app/manifests/next" })
      expect((yield* Effect.flip(registry.resolveManifest(app, Tag.make("next"))))._tag).toBe("OciManifestUnknown")
    }))

  it.scoped("may set the tags of one push one by one", () =>
    Effect.gen(function*() {
      const { explained, held, registry } = yield* world
      const both = (client: Service) =>
        Effect.gen(function*() {
          const { bytes, descriptor: { mediaType } } = yield* client.getManifest(app, v1)
          yield* client.pushManifest(app, { mediaType, bytes, tags: [Tag.make("a"), Tag.make("b")] })
        })
      const explanation = yield* explained(both)
      yield* held({ explanation, by: "requests" }, on(retag("a", "b")))
      expect((yield* registry.resolveManifest(app, Tag.make("b"))).digest).toMatch(/^sha256:/)
    }))

  it.scoped("follows a redirect of a foreseen read to another host, and directs no upload there", () =>
    Effect.gen(function*() {
      const { explained, registry } = yield* world
      const explanation = yield* explained((client) => client.resolveManifest(app, v1))
      const real = Explain.httpClient({ [host]: registry, "elsewhere.test": registry })
      const redirecting = HttpClient.make((request, url) =>
        url.host === host
          ? Effect.succeed(HttpClientResponse.fromWeb(
            request,
            new Response(null, { status: 307, headers: { location: `https://elsewhere.test/content${url.pathname}` } })
          ))
          : real.execute(request).pipe(Effect.zipRight(Effect.succeed(HttpClientResponse.fromWeb(
            request,
            new Response(null, {
              headers: {
                "docker-content-digest": `sha256:${"0".repeat(64)}`,
                "content-type": "application/vnd.oci.image.index.v1+json",
                "content-length": "7"
              }
            })
          ))))
      )
      const held = Enforce.transport({ explanation })(redirecting)
      const found = yield* Effect.provideService(
        on((client) => client.resolveManifest(app, v1)),
        HttpClient.HttpClient,
        held
      )
      expect(found.size).toBe(7)
    }))
})

describe("with a token server", () => {
  it.scopedLive("an explained push gets its token, and a policy of the explanation grants it and nothing else", () =>
    Effect.gen(function*() {
      const names = { issuer: "tokens", service: "registry" }
      const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
      const account: Users.Account = { identity: { name: "alice", claims: {} }, version: "1" }
      const users: Users.Users = { check: () => Answer.succeed(account), find: () => Answer.succeed(account) }
      const verify = yield* TokenVerifier.make({ issuer: names.issuer, audience: names.service, keys })
      let policy: Policy.Policy = Policy.authenticated
      const tokens = yield* TokenService.make({
        ...names,
        keys,
        users,
        policy: (caller, requested) => policy(caller, requested)
      })
      const realm: Guard.Tokens["realm"] = ({ headers }) => `http://${headers["host"]}/token`
      const { host, registry } = yield* copies.served({
        port: 0,
        guard: Guard.make({ users, tokens: { verify, realm, service: names.service } }),
        mounts: { "/token": tokens.answer }
      })
      yield* pushImage(registry, ["one"], [v1])

      const credentials = yield* Layer.build(
        Credentials.layerStatic({ [host]: Credential.basic("alice", Redacted.make("CANARY")) })
      )
      const as = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, credentials)
      const on = <A, E>(f: (registry: Service) => Effect.Effect<A, E>) =>
        Effect.flatMap(Client.make({ host, insecure: true }), f)
      const { exit, explanation } = yield* as(Explain.run(on(retag("stable"))))
      expect(exit._tag).toBe("Success")
      expect(explanation.credentials).toEqual([
        {
          registry: `http://${host}`,
          repositories: [],
          source: `static credentials, key ${host} (a user and a password)`
        }
      ])
      expect(JSON.stringify(explanation)).not.toContain("CANARY")
      expect(
        explanation.requests.map(({ count, kind, method, path, scope, sent }) =>
          [count, kind, method, path, scope, sent].join(" ")
        )
      ).toEqual([
        "1 registry GET /v2/team/app/manifests/v1 repository:team/app:pull true",
        "1 token GET /token repository:team/app:pull true",
        "1 token GET /token repository:team/app:pull,push true",
        "1 registry PUT /v2/team/app/manifests/stable repository:team/app:pull,push false"
      ])

      policy = Explanation.policy(explanation, `http://${host}`, ({ name }) => name === "alice")
      const held = Effect.updateService(HttpClient.HttpClient, Enforce.transport({ explanation, by: "requests" }))
      yield* as(held(on(retag("stable"))))
      const refused = yield* Effect.flip(as(on((client) => client.deleteTag(app, v1))))
      expect(["OciDenied", "OciUnauthorized"]).toContain(refused._tag)
      const other = yield* Effect.flip(as(held(on((client) => client.deleteTag(app, v1)))))
      expect(String(unforeseen(other).missing)).toBe("repository:team/app:delete")
    }).pipe(Effect.provide(copies.http)))

  it.effect("no token for more than was foreseen is requested", () =>
    Effect.gen(function*() {
      const explanation = yield* Explanation.decode(JSON.stringify({
        version: 1,
        credentials: [],
        requests: [{
          kind: "registry",
          registry: `https://${host}`,
          method: "GET",
          path: "/v2/team/app/manifests/v1",
          scope: "repository:team/app:pull",
          count: 1,
          sent: true
        }]
      }))
      const sent: Array<string> = []
      const client = Enforce.transport({ explanation })(HttpClient.make((request, url) => {
        sent.push(url.search)
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}")))
      }))
      const token = (scope: string) => client.get(`https://auth.test/token?service=registry&scope=${scope}`)
      yield* token("repository:team/app:pull")
      const failure = yield* Effect.flip(token("repository:team/app:pull,push"))
      const { cause } = failure as { readonly cause?: unknown }
      expect(String(unforeseen(cause).missing)).toBe("repository:team/app:push")
      expect(sent).toHaveLength(1)
    }))
})
