import { Answer, AuthScope, Body, RegistryError } from "@effect-oci/core"
import type { Users } from "@effect-oci/guard"
import { IdTokens, Issuer, Policy, RefreshTokens, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import type { Wire } from "@effect-oci/protocol"
import * as NodeIssuer from "@effect-oci/testing/NodeIssuer"
import { FetchHttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream, TestClock } from "effect"
import * as jose from "jose"

const issuer = "https://auth.example"
const service = "registry.example"
const password = "CANARY-password"

/** All users have the same password. A test can change the users and the versions of their accounts. */
const makeUsers = () => {
  const versions = new Map([["alice", "1"], ["bob", "1"]])
  const find = (username: string): Users.Account | undefined => {
    const version = versions.get(username)
    return version === undefined ? undefined : { identity: { name: username, claims: {} }, version }
  }
  const users: Users.Users = {
    check: ({ password: secretGiven, username }) => {
      const account = find(username)
      return account !== undefined && Redacted.value(secretGiven) === password
        ? Answer.succeed(account)
        : Answer.fail(new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" }))
    },
    find: (username) => Answer.succeed(find(username))
  }
  return { users, versions }
}

const policy = Policy.make(({ name }, { action, resource, type }) =>
  type === "repository" &&
  ((action === "pull" && resource.startsWith("public/")) || (name !== undefined && resource.startsWith(`${name}/`)))
)

const basic = (username: string, secret = password) => ({
  authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`
})

interface ServiceResponse {
  readonly status: number
  readonly headers: Wire.Headers
  readonly json: { readonly [field: string]: unknown }
}

const setup = (options?: Partial<TokenService.Options>) =>
  Effect.gen(function*() {
    const { users, versions } = makeUsers()
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ issuer, service, keys, users, policy, ...options })
    const verify = yield* TokenVerifier.make({ issuer, audience: service, keys })
    const send = (request: Partial<Wire.Request>, answer = tokens.answer): Effect.Effect<ServiceResponse> =>
      Effect.map(answer({ method: "GET", target: "/token", headers: {}, body: undefined, ...request }), (response) => ({
        status: response.status,
        headers: response.headers,
        json: JSON.parse(new TextDecoder().decode(response.body?.bytes)) as ServiceResponse["json"]
      }))
    const get = (query: string, headers: Wire.Headers = {}) => send({ target: `/token?${query}`, headers })
    const post = (fields: Record<string, string>, more?: Partial<Wire.Request>) =>
      send({
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: Body.bytes(new TextEncoder().encode(new URLSearchParams(fields).toString())),
        ...more
      })
    const granted = ({ json }: ServiceResponse) =>
      Effect.map(
        verify(Redacted.make(json["token"] as string)),
        ({ caller, granted }) => [caller.name, AuthScope.format(AuthScope.canonical(granted))]
      )
    return { get, granted, keys, post, send, tokens, versions }
  })

describe("an ID token at TokenService", () => {
  const exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
  const typeOf = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
  const scope = "repository:team/app:pull,push repository:team/other:push repository:public/app:pull"

  const withIssuer = Effect.gen(function*() {
    const issuer = yield* NodeIssuer.make()
    const idTokens = yield* Effect.provide(
      IdTokens.make({
        audience: service,
        issuers: [Issuer.github({
          url: issuer.url,
          rules: [{ when: { repository_owner: "team" }, grant: "repository:{repository}:pull,push" }]
        })]
      }),
      FetchHttpClient.layer
    )
    const sub = "repo:team/app:ref:refs/heads/main"
    const token = yield* issuer.sign({ sub, repository: "team/app", repository_owner: "team" })
    const service_ = yield* setup({ idTokens })
    const fields = { grant_type: exchange, subject_token: token, subject_token_type: typeOf("id_token"), scope }
    return { ...service_, fields, issuer, token, caller: `github:${sub}` }
  })

  it.scoped("is exchanged for a token that grants what its rules and the policy for everyone grant", () =>
    Effect.gen(function*() {
      const { caller, fields, granted, post } = yield* withIssuer
      const response = yield* post({ ...fields, audience: service, access_type: "offline" })
      expect(response.json).toMatchObject({ issued_token_type: typeOf("access_token"), token_type: "Bearer" })
      expect(response.json).toMatchObject({ expires_in: 300 })
      expect(response.json).not.toHaveProperty("refresh_token")
      const own = "repository:public/app:pull repository:team/app:pull,push"
      expect(yield* granted(response)).toEqual([caller, own])
    }))

  it.scoped("is a password, which gets no refresh token", () =>
    Effect.gen(function*() {
      const { caller, get, granted, post, token } = yield* withIssuer
      const query =
        `service=${service}&offline_token=true&scope=repository:team/app:push&scope=repository:team/other:push`
      const response = yield* get(query, basic("oidc", token))
      expect(response.json).not.toHaveProperty("refresh_token")
      expect(yield* granted(response)).toEqual([caller, "repository:team/app:push"])
      const other = yield* post({
        grant_type: "password",
        username: "oidc",
        password: token,
        access_type: "offline",
        scope
      })
      expect((yield* granted(other))[0]).toBe(caller)
      expect(other.json).not.toHaveProperty("refresh_token")
      expect((yield* get(query, basic("oidc", `${token}x`))).status).toBe(401)
      expect((yield* get(query, basic("alice", token))).status).toBe(401)
    }))

  it.scoped("is refused if the request is wrong", () =>
    Effect.gen(function*() {
      const { fields, issuer, post, token } = yield* withIssuer
      const other = yield* issuer.sign({ aud: "other", repository: "team/app", repository_owner: "team" })
      for (
        const [change, problem] of [
          [{ subject_token: other }, `the token's claim "aud" is missing or wrong`],
          [{ subject_token: "x" }, "the token is not from an issuer that this registry accepts"],
          [{ subject_token_type: typeOf("refresh_token") }, "subject_token_type must be"],
          [{ requested_token_type: typeOf("id_token") }, "requested_token_type must be"],
          [{ actor_token: token }, "accepts no actor_token"],
          [{ audience: "other.example" }, "issues no tokens for that service"]
        ] as const
      ) {
        const { json, status } = yield* post({ ...fields, ...change })
        expect([status, json["error"]]).toEqual([400, "invalid_request"])
        expect(json["error_description"]).toContain(problem)
        expect(JSON.stringify(json)).not.toContain(token)
      }
      const { post: without } = yield* setup()
      expect((yield* without(fields)).json["error"]).toBe("unsupported_grant_type")
    }))
})

describe("a token of TokenService", () => {
  it.effect("contains what docker-registry reads, and nothing else", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_000_000_500)
      const { get, keys } = yield* setup()
      const { headers, json, status } = yield* get(
        `service=${service}&scope=repository:alice/app:push,pull&scope=repository(plugin):public/x:pull&account=alice&client_id=x`,
        basic("alice")
      )
      expect(status).toBe(200)
      expect(headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-store" })
      expect(json).toEqual({
        token: json["access_token"],
        access_token: json["access_token"],
        expires_in: 300,
        issued_at: "1970-01-12T13:46:40.000Z",
        scope: "repository:alice/app:pull,push"
      })
      const token = json["token"] as string
      expect(jose.decodeProtectedHeader(token)).toEqual({ typ: "JWT", alg: "ES256", kid: keys.signing().id })
      expect(jose.decodeJwt(token)).toEqual({
        iss: issuer,
        aud: service,
        sub: "alice",
        iat: 1_000_000,
        nbf: 1_000_000,
        exp: 1_000_300,
        jti: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        access: [{ type: "repository", name: "alice/app", actions: ["pull", "push"] }]
      })
    }))

  it.effect.each(
    [
      ["what was requested", "alice", "scope=repository:alice/app:pull", "repository:alice/app:pull"],
      [
        "the part of the request that the policy grants",
        "alice",
        "scope=repository:alice/app:*&scope=repository:bob/app:pull,push&scope=registry:catalog:*",
        "repository:alice/app:delete,pull,push"
      ],
      ["nothing if nothing was requested", "alice", "", ""],
      ["nothing beyond the request, even if the policy grants it", "bob", "scope=repository:alice/app:push", ""],
      [
        "public repositories to anonymous callers",
        undefined,
        "scope=repository:public/a:pull,push repository:alice/app:pull",
        "repository:public/a:pull"
      ],
      ["nothing opaque", "alice", "scope=aws repository:alice/app:pull", "repository:alice/app:pull"]
    ] as const
  )("grants %s", ([, name, query, scope]) =>
    Effect.gen(function*() {
      const { get, granted } = yield* setup()
      const response = yield* get(query.replaceAll(" ", "%20"), name === undefined ? {} : basic(name))
      expect(yield* granted(response)).toEqual([name, scope])
    }))

  it.effect.each([
    "repository:alice/../admin/x:pull",
    "repository:alice/*:pull",
    "repository:alice//x:pull",
    "repository:alice/x/:pull",
    "repository:alice/X:pull",
    "repository:alice/x%2f..%2fadmin:pull",
    `repository:alice/${"x".repeat(255)}:pull`,
    "repository::pull",
    "repository:alice/x:Pull",
    "repository:alice/x:pull%00",
    "repository():alice/x:pull",
    "Repository:alice/x:pull",
    "registry:*:*"
  ])("grants nothing outside the grammar, whatever the policy grants: %s", (scope) =>
    Effect.gen(function*() {
      const requestedScopes: Array<string> = []
      const { get, granted } = yield* setup({
        policy: (_, requested) => {
          requestedScopes.push(AuthScope.format(requested))
          return Answer.succeed(AuthScope.unlimited)
        }
      })
      const response = yield* get(`scope=${scope}&scope=repository:alice/app:pull`, basic("alice"))
      expect(yield* granted(response)).toEqual(["alice", "repository:alice/app:pull"])
      expect(response.json["scope"]).toBe("repository:alice/app:pull")
      expect(requestedScopes).toEqual(["repository:alice/app:pull"])
    }))

  it.effect("grants the catalog", () =>
    Effect.gen(function*() {
      const { get, granted } = yield* setup({ policy: Policy.authenticated })
      expect(yield* granted(yield* get("scope=registry:catalog:*", basic("alice")))).toEqual([
        "alice",
        "registry:catalog:*"
      ])
    }))

  it.effect("encodes a class as registries read it", () =>
    Effect.gen(function*() {
      const { get } = yield* setup({ policy: (_, requested) => Answer.succeed(requested) })
      const { json } = yield* get("scope=repository(plugin):a:pull")
      expect(jose.decodeJwt(json["token"] as string)).toMatchObject({
        access: [
          { type: "repository", class: "plugin", name: "a", actions: ["pull"] }
        ]
      })
    }))

  it.effect("never grants more than was requested, whatever the policy grants", () =>
    Effect.gen(function*() {
      const { get, granted } = yield* setup({ policy: () => Answer.succeed(AuthScope.unlimited) })
      expect(yield* granted(yield* get("scope=repository:a:pull"))).toEqual([undefined, "repository:a:pull"])
    }))

  it.effect("is signed by the newest key, and all keys are published", () =>
    Effect.gen(function*() {
      const { get, granted, keys, send, tokens } = yield* setup()
      const before = yield* get("", basic("alice"))
      const next = yield* TokenKeys.generate("EdDSA")
      yield* keys.rotate(next)
      const after = yield* get("", basic("alice"))
      expect(jose.decodeProtectedHeader(after.json["token"] as string)).toMatchObject({ alg: "EdDSA", kid: next.id })
      expect(yield* Effect.all([granted(before), granted(after)])).toEqual([["alice", ""], ["alice", ""]])
      const published = yield* send({ target: "/jwks" }, tokens.jwks)
      expect(published.json).toEqual(JSON.parse(JSON.stringify(yield* TokenKeys.toJwks(keys.all()))))
      expect((yield* send({ method: "POST" }, tokens.jwks)).status).toBe(405)
    }))

  it.effect("lasts as long as the option `lifetime`", () =>
    Effect.gen(function*() {
      const { get } = yield* setup({ lifetime: "90 seconds" })
      const { json } = yield* get("")
      const { exp, iat } = jose.decodeJwt(json["token"] as string)
      expect([json["expires_in"], exp! - iat!]).toEqual([90, 90])
    }))
})

describe("TokenService, for a user", () => {
  it.effect("issues the same token for a password in a form", () =>
    Effect.gen(function*() {
      const { granted, post } = yield* setup()
      const response = yield* post({
        grant_type: "password",
        username: "alice",
        password,
        service,
        client_id: "x",
        scope: "repository:alice/a:pull repository:alice/b:push"
      })
      expect(yield* granted(response)).toEqual(["alice", "repository:alice/a:pull repository:alice/b:push"])
      expect(response.json).not.toHaveProperty("refresh_token")
    }))

  it.effect("answers a wrong password as the protocol of the request requires", () =>
    Effect.gen(function*() {
      const { get, post } = yield* setup()
      const reason = "the user name or the password is wrong"
      expect(yield* get("", basic("alice", "wrong"))).toMatchObject({
        status: 401,
        headers: { "www-authenticate": `Basic realm="token"`, "cache-control": "no-store" },
        json: { errors: [{ code: "UNAUTHORIZED", message: reason }] }
      })
      expect(yield* post({ grant_type: "password", username: "alice", password: "wrong" })).toMatchObject({
        status: 400,
        json: { error: "invalid_grant", error_description: reason }
      })
    }))

  it.effect("answers with Retry-After after too many attempts", () =>
    Effect.gen(function*() {
      const error = new RegistryError.TooManyRequests({ retryAfter: 7000 })
      const { get } = yield* setup({ users: { ...makeUsers().users, check: () => Answer.fail(error) } })
      expect(yield* get("", basic("alice"))).toMatchObject({ status: 429, headers: { "retry-after": "7" } })
    }))
})

describe("a refresh token of TokenService", () => {
  const refresh = (token: unknown, more?: object) => ({
    grant_type: "refresh_token",
    refresh_token: token as string,
    service,
    ...more
  })
  const refused = { status: 400, json: { error: "invalid_grant" } }

  it.effect("is issued on request to a user with a name, and replaces the password", () =>
    Effect.gen(function*() {
      const { get, granted, post } = yield* setup()
      const first = yield* get(`service=${service}&offline_token=true`, basic("alice"))
      const second = yield* post({ grant_type: "password", username: "bob", password, access_type: "offline" })
      for (const [name, response] of [["alice", first], ["bob", second]] as const) {
        const scope = `repository:${name}/app:pull`
        const renewed = yield* post(refresh(response.json["refresh_token"], { scope }))
        expect(yield* granted(renewed)).toEqual([name, scope])
        expect(renewed.json).not.toHaveProperty("refresh_token")
      }
      expect((yield* get("offline_token=true")).json).not.toHaveProperty("refresh_token")
    }))

  it.effect("is invalid if it was never issued", () =>
    Effect.gen(function*() {
      const { post } = yield* setup()
      for (const token of ["CANARY", "", "x".repeat(10_000)]) {
        const response = yield* post(refresh(token))
        expect(response).toMatchObject(refused)
        expect(JSON.stringify(response)).not.toContain("CANARY")
      }
    }))

  it.effect("ends with the password, with the user, and when it is revoked", () =>
    Effect.gen(function*() {
      const { get, post, tokens, versions } = yield* setup()
      const obtain = (name: string) =>
        Effect.map(get("offline_token=true", basic(name)), ({ json }) => json["refresh_token"])
      const [first, second, other] = [yield* obtain("alice"), yield* obtain("alice"), yield* obtain("bob")]
      versions.set("alice", "2")
      expect(yield* post(refresh(first))).toMatchObject(refused)
      versions.set("alice", "1")
      expect(yield* post(refresh(first))).toMatchObject({ status: 200 })
      versions.delete("alice")
      expect(yield* post(refresh(first))).toMatchObject(refused)
      versions.set("alice", "1")
      yield* tokens.revoke("alice")
      for (const token of [first, second]) expect(yield* post(refresh(token))).toMatchObject(refused)
      expect(yield* post(refresh(other))).toMatchObject({ status: 200 })
    }))

  it.effect("ends when it expires, and the oldest ends when there are too many", () =>
    Effect.gen(function*() {
      const refreshTokens = yield* RefreshTokens.make({ lifetime: "1 hour", capacity: 2 })
      const { get, post } = yield* setup({ refreshTokens })
      const obtain = Effect.map(get("offline_token=true", basic("alice")), ({ json }) => json["refresh_token"])
      const first = yield* obtain
      const second = yield* obtain
      yield* TestClock.adjust("30 minutes")
      expect(yield* post(refresh(first))).toMatchObject({ status: 200 })
      const third = yield* obtain
      expect(yield* post(refresh(second))).toMatchObject(refused)
      yield* TestClock.adjust("30 minutes")
      expect(yield* post(refresh(first))).toMatchObject(refused)
      expect(yield* post(refresh(third))).toMatchObject({ status: 200 })
    }))
})

it.effect("ends only the user's own oldest tokens when one user requests many", () =>
  Effect.gen(function*() {
    const tokens = yield* RefreshTokens.make({ capacityPerUser: 2 })
    const account = (name: string) => ({ identity: { name, claims: {} }, version: "1" })
    const other = yield* tokens.issue(account("bob"))
    const tokensOfAlice = [
      yield* tokens.issue(account("alice")),
      yield* tokens.issue(account("alice")),
      yield* tokens.issue(account("alice"))
    ]
    const grants = yield* Effect.forEach([...tokensOfAlice, other], tokens.find)
    expect(grants.map((grant) => grant?.username)).toEqual([undefined, "alice", "alice", "bob"])
  }))

describe("TokenService refuses an invalid request", () => {
  const form = { "content-type": "application/x-www-form-urlencoded" }
  const big = new Uint8Array(20_000).fill(120)
  it.effect.each<readonly [string, Partial<Wire.Request>, number, object]>([
    ["another method", { method: "PUT" }, 405, { error: "invalid_request" }],
    ["another service", { target: "/token?service=CANARY" }, 400, { error: "invalid_request" }],
    ["a query too long", { target: `/token?scope=${"x".repeat(20_000)}` }, 414, { error: "invalid_request" }],
    [
      "too many scopes",
      { target: `/token?${Array.from({ length: 65 }, (_, i) => `scope=repository:a${i}:pull`).join("&")}` },
      400,
      { error: "invalid_scope" }
    ],
    ["credentials of another scheme", { headers: { authorization: "Bearer CANARY" } }, 400, {
      error: "invalid_request"
    }],
    ["a body that is not a form", { method: "POST", headers: { "content-type": "application/json" } }, 415, {
      error: "invalid_request"
    }],
    ["a body too large", { method: "POST", headers: form, body: Body.stream(Stream.make(big)) }, 413, {
      error: "invalid_request"
    }],
    [
      "a body that ends early",
      { method: "POST", headers: form, body: Body.stream(Stream.fail(new RegistryError.BodyFailed({}))) },
      400,
      { error: "invalid_request" }
    ],
    ["no grant type", { method: "POST", headers: form }, 400, { error: "invalid_request" }],
    [
      "another grant type",
      { method: "POST", headers: form, body: Body.bytes(new TextEncoder().encode("grant_type=client_credentials")) },
      400,
      { error: "unsupported_grant_type" }
    ],
    [
      "a password without a name",
      {
        method: "POST",
        headers: form,
        body: Body.bytes(new TextEncoder().encode("grant_type=password&password=CANARY"))
      },
      400,
      { error: "invalid_request" }
    ],
    [
      "no refresh token",
      { method: "POST", headers: form, body: Body.bytes(new TextEncoder().encode("grant_type=refresh_token")) },
      400,
      { error: "invalid_request" }
    ]
  ])("%s", ([_, request, status, json]) =>
    Effect.gen(function*() {
      const { send } = yield* setup()
      const response = yield* send(request)
      expect(response).toMatchObject({ status, json })
      expect(JSON.stringify(response)).not.toContain("CANARY")
    }))

  it.effect("a policy that fails", () =>
    Effect.gen(function*() {
      const { get } = yield* setup({ policy: () => Answer.fail(new RegistryError.Unavailable({})) })
      expect((yield* get("scope=repository:a:pull")).status).toBe(503)
    }))
})
