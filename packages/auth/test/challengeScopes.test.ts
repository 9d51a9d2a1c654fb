/** Tests of registries whose challenges name other scopes than the scope of the operation. */
import { AuthScope } from "@effect-oci/core"
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Auth from "../src/Auth.js"
import * as Credential from "../src/Credential.js"
import * as Credentials from "../src/Credentials.js"
import { errorOf, fakeNetwork, realm, registry, tokenServer } from "./fakeServers.js"
import type { FakeServer } from "./fakeServers.js"

const credentials = Credentials.layerStatic({ "registry.example.com": Credential.basic("alice", "CANARY") })

const authenticated = (client: HttpClient.HttpClient, scopes?: Auth.Options["scopes"]) =>
  Effect.map(Effect.provide(Auth.transport({ scopes }), credentials), (wrap) => wrap(client))

const pull = (client: HttpClient.HttpClient, repository = "team/app") =>
  Effect.map(client.get(`${registry}/v2/${repository}/manifests/v1`), ({ status }) => status)

const advice =
  /; the registry's challenge names "(.*)", which this request does not need: .* set the option `scopes: "challenge"` for it$/

/** Rewrites a scope: for a proxy that adds a project to repository names, and for opaque scopes. */
const rewriting = (repository: string, method: string) =>
  `repository:proxy/${repository}:${method === "GET" ? "pull" : "pull,push"}`
const opaque = () => "aws"

/**
 * Creates a registry that accepts only a token for the scope of its challenge. Its token server issues no other tokens.
 */
const setup = (scopeOf: (repository: string, method: string) => string) => {
  const server = tokenServer(({ scopes }) => scopes.every((scope) => /proxy|aws/.test(scope)) ? {} : { status: 403 })
  const respond: FakeServer = ({ authorization, method, url }) => {
    const scope = scopeOf(/^\/v2\/(.*)\/(manifests|blobs)\//.exec(url.pathname)?.[1] ?? "", method)
    const grantedScope = server.granted.get(authorization?.slice("Bearer ".length) ?? "")
    return grantedScope !== undefined && AuthScope.contains(grantedScope, AuthScope.parse(scope))
      ? { status: 200 }
      : { status: 401, headers: { "www-authenticate": `Bearer realm="${realm}",scope="${scope}"` } }
  }
  return { server, ...fakeNetwork({ [registry]: respond, "https://auth.example.com": server.respond }) }
}

describe.each([["another repository", rewriting], ["an opaque scope", opaque]] as const)(
  "Auth.transport with a challenge that names %s",
  (_, scopeOf) => {
    it.effect("requests the scope of the operation, and the error names the option", () =>
      Effect.gen(function*() {
        const { client, server } = setup(scopeOf)
        const error = errorOf(yield* Effect.flip(pull(yield* authenticated(client))))
        expect(error._tag).toBe("OciDenied")
        expect(advice.exec(error.reason ?? "")?.[1]).toBe(scopeOf("team/app", "GET"))
        expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([["repository:team/app:pull"]])
      }))

    it.effect("requests the scope of the challenge with `scopes: \"challenge\"`, and uses the token again", () =>
      Effect.gen(function*() {
        const { client, lines, server } = setup(scopeOf)
        const http = yield* authenticated(client, "challenge")
        for (let i = 0; i < 3; i++) expect(yield* pull(http)).toBe(200)
        expect(server.tokenRequests.map(({ scopes }) => scopes)).toEqual([[scopeOf("team/app", "GET")]])
        expect(lines().filter((line) => line.startsWith(`GET ${registry}`))).toHaveLength(4)
        expect(yield* pull(http, "other")).toBe(200)
        expect(yield* pull(http, "other")).toBe(200)
        expect(server.tokenRequests.at(-1)?.scopes).toEqual([scopeOf("other", "GET")])
      }))

    it.effect("sends a body that cannot be replayed with the scope of an earlier challenge", () =>
      Effect.gen(function*() {
        const { client } = setup(scopeOf)
        const http = yield* authenticated(client, "challenge")
        const uploads = `${registry}/v2/team/app/blobs/uploads/`
        expect((yield* http.post(uploads, { body: HttpBody.empty })).status).toBe(200)
        const body = HttpBody.stream(Stream.make(new Uint8Array(1)))
        expect((yield* http.put(`${uploads}1`, { body })).status).toBe(200)
      }))
  }
)

describe("Auth.transport, if the registry refuses a new token", () => {
  it.effect.each(
    [
      ["other repositories", "repository:proxy/team/app:pull", true],
      ["the request's own repository and others", "repository:team/app:pull repository:other:pull", false],
      ["no scope", undefined, false]
    ] as const
  )(
    "fails, and the error names the option only if the challenge names other repositories: %s",
    ([, scope, isNamed]) =>
      Effect.gen(function*() {
        const server = tokenServer()
        const challenge = `Bearer realm="${realm}"${scope === undefined ? "" : `,scope="${scope}"`}`
        const { client } = fakeNetwork({
          [registry]: () => ({ status: 401, headers: { "www-authenticate": challenge } }),
          "https://auth.example.com": server.respond
        })
        const error = errorOf(yield* Effect.flip(pull(yield* authenticated(client))))
        expect(advice.test(error.reason ?? "")).toBe(isNamed)
        const followingChallenge = errorOf(yield* Effect.flip(pull(yield* authenticated(client, "challenge"))))
        expect(followingChallenge.reason).not.toMatch(advice)
      })
  )
})
