import { AuthScope } from "@effect-oci/core"
import { Guard, IdTokens, Issuer, Policy, TokenKeys, Users } from "@effect-oci/guard"
import { Request } from "@effect-oci/protocol"
import * as NodeIssuer from "@effect-oci/testing/NodeIssuer"
import { FetchHttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Schema, TestClock } from "effect"
import * as jose from "jose"

const audience = "registry.example"

const live = Layer.merge(FetchHttpClient.layer, Logger.remove(Logger.defaultLogger))

const make = (issuers: ReadonlyArray<Issuer.Issuer>, options?: Partial<IdTokens.Options>) =>
  Effect.provide(IdTokens.make({ audience, issuers, ...options }), live)

const granting = (grant: Issuer.AnyRule["grant"], when: Issuer.AnyRule["when"] = {}): Issuer.AnyRule => ({
  when,
  grant
})

const anyIssuer = (url: string, ...rules: ReadonlyArray<Issuer.AnyRule>) =>
  Issuer.make({ name: "ci", url, claims: Issuer.AnyClaims, rules })

/** What a token is granted of a requested scope. */
const granted = (idTokens: IdTokens.IdTokens, token: string, requested: string) =>
  Effect.gen(function*() {
    const { identity, policy } = yield* idTokens.verify(Redacted.make(token))
    return AuthScope.format(AuthScope.canonical(yield* policy!(identity, AuthScope.parse(requested))))
  })

/** Returns the reason for which a token is refused. */
const reason = (idTokens: IdTokens.IdTokens, token: string) =>
  Effect.map(Effect.flip(idTokens.verify(Redacted.make(token))), (error) => [error._tag, error.reason] as const)

const requests = "repository:acme/app:*  repository:acme/app/web:pull,push repository:acme/other:pull,push " +
  "repository:acme-evil/app:push repository:acme:push registry:catalog:* registry:admin:*"

describe("the rules of an issuer", () => {
  const github = {
    sub: "repo:Acme/App:ref:refs/heads/main",
    repository: "Acme/App",
    repository_owner: "Acme",
    ref: "refs/heads/main"
  }
  const own = "repository:{repository}:pull,push"
  const owns = "repository:acme/app:pull,push"
  it.scoped.each<
    readonly [title: string, rules: ReadonlyArray<Issuer.Rule<typeof Issuer.GitHubClaims.Type>>, granted: string]
  >([
    ["grant a repository of the same name, in lower case", [{ when: { repository_owner: "Acme" }, grant: own }], owns],
    ["grant all below it", [{ when: {}, grant: "repository:{repository}/**:pull" }], "repository:acme/app/web:pull"],
    ["compare the owner as a whole", [{ when: { repository_owner: "Acm" }, grant: own }], ""],
    ["compare in the case of the issuer", [{ when: { repository_owner: "acme" }, grant: own }], ""],
    ["require all conditions", [{ when: { repository_owner: "Acme", ref: "refs/tags/*" }, grant: own }], ""],
    ["accept one of several texts", [{ when: { ref: ["refs/tags/*", "refs/heads/main"] }, grant: own }], owns],
    ["match no slash and no colon with one star", [{ when: { ref: "refs/*" }, grant: own }], ""],
    ["match any character with two stars", [{ when: { ref: "refs/**" }, grant: own }], owns],
    ["do not read a dot as a wildcard", [{ when: { repository: "Acme.App" }, grant: own }], ""],
    ["do not apply if a claim is missing", [{ when: { environment: "*" }, grant: own }], ""],
    ["grant nothing for a claim that is missing", [{ when: {}, grant: "repository:{environment}/x:push" }], ""],
    ["grant nothing for a claim that is not a name", [{ when: {}, grant: "repository:{sub}:push" }], ""],
    [
      "grant what any of them grants",
      [{ when: {}, grant: own }, { when: {}, grant: "registry:catalog:*" }],
      `registry:catalog:* ${owns}`
    ],
    [
      "grant the scope of a function",
      [{ when: {}, grant: ({ repository }) => AuthScope.repository(repository.toLowerCase(), "push") }],
      "repository:acme/app:push"
    ]
  ])("%s", ([, rules, expected]) =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([Issuer.github({ url: issuer.url, rules })])
      expect(yield* granted(idTokens, yield* issuer.sign(github), requests)).toBe(expected)
    }))

  it.scoped("grant nothing for a claim that is not a repository name", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make("RS256")
      const idTokens = yield* make([
        anyIssuer(
          issuer.url,
          granting("repository:{repository}:* repository:{repository}/**:push repository:ci/{repository}:push")
        )
      ])
      const requested = `${requests} repository:ci/acme/app:push`
      for (
        const repository of [
          "*",
          "**",
          "acme/*",
          "acme/**",
          "acme/app:push repository:acme/other",
          "acme/app repository:acme/other",
          "acme/app\nrepository:acme/other",
          "../acme/other",
          "acme/../other",
          "acme//app",
          "/acme/other",
          "acme/other/",
          "acme/app{ref}",
          "",
          "acme/äpp",
          ["acme/app"],
          { toString: "acme/app" },
          "x".repeat(300)
        ]
      ) {
        const token = yield* issuer.sign({ repository, ref: "x" })
        expect([repository, yield* granted(idTokens, token, requested)]).toEqual([repository, ""])
      }
      const token = yield* issuer.sign({ repository: "acme/app" })
      expect(yield* granted(idTokens, token, requested)).not.toBe("")
    }))

  it.scoped.each<readonly [Issuer.Issuer["name"], (url: string) => Issuer.Issuer, object, string, string]>([
    [
      "gitlab",
      (url) =>
        Issuer.gitlab({
          url,
          rules: [{ when: { namespace_path: "Acme" }, grant: own.replace("repository}", "project_path}") }]
        }),
      { sub: "project_path:Acme/App:ref_type:branch:ref:main", project_path: "Acme/App", namespace_path: "Acme" },
      "gitlab:project_path:Acme/App:ref_type:branch:ref:main",
      owns
    ],
    [
      "kubernetes",
      (url) =>
        Issuer.kubernetes({
          url,
          rules: [{
            when: { namespace: "acme", serviceaccount: ["app"] },
            grant: "repository:{namespace}/{serviceaccount}:pull"
          }]
        }),
      {
        sub: "system:serviceaccount:acme:app",
        "kubernetes.io": { namespace: "acme", serviceaccount: { name: "app", uid: "1" } }
      },
      "kubernetes:system:serviceaccount:acme:app",
      "repository:acme/app:pull"
    ],
    [
      "google",
      (url) => ({
        ...Issuer.google({
          rules: [{
            when: { email: "ci@acme.iam.gserviceaccount.com", email_verified: "true" },
            grant: "repository:acme/app:push"
          }]
        }),
        url
      }),
      { sub: "1234", email: "ci@acme.iam.gserviceaccount.com", email_verified: true },
      "google:1234",
      "repository:acme/app:push"
    ],
    [
      "azure",
      (url) => ({
        ...Issuer.azure({ tenant: "t", rules: [{ when: { roles: "push" }, grant: "repository:acme/app:push" }] }),
        url
      }),
      { sub: "abcd", tid: "t", roles: ["pull", "push"] },
      "azure:abcd",
      "repository:acme/app:push"
    ]
  ])("of %s use its claims", ([, issuerOf, claims, name, expected]) =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([issuerOf(issuer.url)])
      const token = yield* issuer.sign({ ...claims })
      expect((yield* idTokens.verify(Redacted.make(token))).identity.name).toBe(name)
      expect(yield* granted(idTokens, token, requests)).toBe(expected)
    }))

  it.effect("of the known issuers have their URLs", () =>
    Effect.sync(() => {
      const rules: ReadonlyArray<never> = []
      expect([
        Issuer.github({ rules }).url,
        Issuer.gitlab({ rules }).url,
        Issuer.google({ rules }).url,
        Issuer.azure({ rules, tenant: "t" }).url
      ]).toEqual([
        "https://token.actions.githubusercontent.com",
        "https://gitlab.com",
        "https://accounts.google.com",
        "https://login.microsoftonline.com/t/v2.0"
      ])
    }))

  it.scoped.each<readonly [problem: RegExp, issuer: Issuer.Issuer]>([
    [
      /there is no claim "repo"; the claims are sub, repository,/,
      Issuer.github({ rules: [granting(own, { repo: "x" })] })
    ],
    [/there is no claim "repo"/, Issuer.github({ rules: [granting("repository:{repo}:push")] })],
    [/in "repository:x:\{sub\}", a claim is not a part/, Issuer.github({ rules: [granting("repository:x:{sub}")] })],
    [/in "\{sub\}:x:pull", a claim is not a part/, Issuer.github({ rules: [granting("{sub}:x:pull")] })],
    [/in "\{ref\}", a claim is not a part/, anyIssuer("https://ci.example", granting("{ref}"))],
    [/invalid permission "Acme\/app"/, Issuer.github({ rules: [granting("repository:Acme/app:push")] })],
    [/there is no permission/, Issuer.github({ rules: [granting(" ")] })],
    [/https URL/, anyIssuer("ci.example")],
    [/https URL/, { ...anyIssuer("https://ci.example"), keysUrl: "file:///keys" }],
    [/lower-case letters/, { ...anyIssuer("https://ci.example"), name: "a:b" }]
  ])("are refused with %s", ([problem, issuer]) =>
    Effect.map(Effect.flip(make([issuer])), ({ message }) => {
      expect(message).toMatch(/^cannot use the issuer "/)
      expect(message).toMatch(problem)
    }))

  it.scoped("are refused for two issuers with one name or URL", () =>
    Effect.gen(function*() {
      const one = anyIssuer("https://one.example")
      expect((yield* Effect.flip(make([one, { ...one, name: "other" }]))).message).toContain("the same URL or name")
      expect((yield* Effect.flip(make([one, { ...one, url: "https://two.example" }]))).message).toContain(
        "the same URL"
      )
    }))
})

describe("an ID token that", () => {
  const all = granting("repository:**:*")

  it.scoped.each<readonly [title: string, claims: { readonly [claim: string]: unknown }, problem: string | undefined]>([
    ["is valid is accepted", {}, undefined],
    ["is for several audiences is accepted", { aud: ["other", audience] }, undefined],
    ["is valid within the leeway is accepted", { iat: 10_020, nbf: 10_020 }, undefined],
    [
      "is for another audience is refused",
      { aud: "registry.example.evil" },
      `the token's claim "aud" is missing or wrong`
    ],
    ["has no audience is refused", { aud: undefined }, `the token's claim "aud" is missing or wrong`],
    ["has expired is refused", { exp: 9_900 }, "the token has expired"],
    ["has no expiry is refused", { exp: undefined }, `the token's claim "exp" is missing or wrong`],
    ["is not yet valid is refused", { nbf: 10_060 }, `the token's claim "nbf" is missing or wrong`],
    ["was issued in the future is refused", { iat: 10_060 }, `the token's claim "iat" is missing or wrong`],
    ["has no time of its issue is refused", { iat: undefined }, `the token's claim "iat" is missing or wrong`],
    ["is too old is refused", { iat: 10_000 - 3700 }, "the token has expired"],
    ["has no subject is refused", { sub: undefined }, `the token's claim "sub" is missing or wrong`],
    ["has a long subject is refused", { sub: "x".repeat(513) }, "the token has not the claims of its issuer"]
  ])("%s", ([, claims, problem]) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(10_000_000)
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([anyIssuer(issuer.url, all)], { maxAge: "1 hour" })
      const token = yield* issuer.sign(claims)
      if (problem === undefined) {
        expect((yield* idTokens.verify(Redacted.make(token))).identity.name).toBe("ci:workload")
      } else expect(yield* reason(idTokens, token)).toEqual(["OciTokenInvalid", problem])
    }))

  it.scoped("its issuer did not sign is refused", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make("RS256")
      const idTokens = yield* make([anyIssuer(issuer.url, all)])
      yield* idTokens.verify(Redacted.make(yield* issuer.sign()))
      const { id, publicKey } = issuer.key()
      const other = yield* TokenKeys.generate("RS256")
      const claims = { iss: issuer.url, sub: "x", aud: audience, iat: 0, exp: 600 }
      const signed = (header: jose.JWTHeaderParameters, key: CryptoKey | Uint8Array) =>
        Effect.promise(() => new jose.SignJWT(claims).setProtectedHeader(header).sign(key))
      const pem = new TextEncoder().encode(yield* Effect.promise(() => jose.exportSPKI(publicKey)))
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const jwk = (yield* TokenKeys.toJwks([other])).keys[0]! as jose.JWK
      for (
        const [token, problem] of [
          [yield* signed({ alg: "RS256", kid: id }, other.privateKey), "the token does not verify"],
          [
            yield* signed({ alg: "RS256", kid: "none", jwk }, other.privateKey),
            "the token is signed by an unknown key"
          ],
          [yield* signed({ alg: "HS256", kid: id }, pem), "the token does not verify"],
          [`${part({ alg: "none", kid: id })}.${part(claims)}.`, "the token does not verify"]
        ] as const
      ) expect(yield* reason(idTokens, token)).toEqual(["OciTokenInvalid", problem])
      for (const token of ["", "x", "a.b.c", `${part({ alg: "RS256" })}.${part({ iss: 5 })}.x`, "x".repeat(20_000)]) {
        expect(idTokens.accepts(Redacted.make(token))).toBe(false)
        expect((yield* reason(idTokens, token))[1]).toContain("is not from an issuer that this registry accepts")
      }
    }))

  it.scoped("is of one issuer is not accepted under the rules of another one", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* NodeIssuer.make(), yield* NodeIssuer.make("EdDSA")]
      const idTokens = yield* make([
        { ...anyIssuer(one.url, granting("repository:one/app:push")), name: "one" },
        { ...anyIssuer(two.url, granting("repository:two/app:push")), name: "two" }
      ])
      const requested = "repository:one/app:push repository:two/app:push"
      expect(yield* granted(idTokens, yield* one.sign(), requested)).toBe("repository:one/app:push")
      expect(yield* granted(idTokens, yield* two.sign(), requested)).toBe("repository:two/app:push")
      expect((yield* reason(idTokens, yield* one.sign({ iss: two.url })))[1]).toBe(
        "the token is signed by an unknown key"
      )
    }))

  it.scoped("has not the claims of its issuer is refused", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([Issuer.github({ url: issuer.url, rules: [] })])
      expect((yield* reason(idTokens, yield* issuer.sign()))[1]).toBe("the token has not the claims of its issuer")
    }))

  it.scoped("has claims of a schema of your own is accepted", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([Issuer.make({
        name: "ci",
        url: issuer.url,
        keysUrl: `${issuer.url}/keys`,
        claims: Schema.Struct({ project: Schema.String }),
        rules: [{ when: { project: "app" }, grant: "repository:acme/{project}:push" }]
      })])
      expect(yield* granted(idTokens, yield* issuer.sign({ project: "app" }), requests)).toBe(
        "repository:acme/app:push"
      )
    }))
})

describe("the keys of an issuer", () => {
  const issuerOf = (url: string) => anyIssuer(url, granting("repository:acme/app:push"))

  it.scoped("are read again for an unknown key, once in a while", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([issuerOf(issuer.url)])
      const verify = (token: string) => Effect.either(idTokens.verify(Redacted.make(token)))
      const first = yield* issuer.sign()
      expect(yield* verify(first)).toMatchObject({ _tag: "Right" })
      yield* issuer.rotate
      const second = yield* issuer.sign()
      const inTime = yield* verify(second)
      expect(inTime).toMatchObject({ left: { reason: "the token is signed by an unknown key" } })
      expect(issuer.keyRequests()).toBe(1)
      yield* TestClock.adjust("30 seconds")
      const results = yield* Effect.all(Array.from({ length: 5 }, () => verify(second)), { concurrency: "unbounded" })
      expect(results.map(({ _tag }) => _tag)).toEqual(Array.from({ length: 5 }, () => "Right"))
      expect(issuer.keyRequests()).toBe(2)
      expect(yield* verify(first)).toMatchObject({ left: { reason: "the token is signed by an unknown key" } })
      expect(issuer.keyRequests()).toBe(2)
    }))

  it.scoped("are used for a day while the issuer cannot be reached", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([issuerOf(issuer.url)])
      const verify = Effect.flatMap(issuer.sign(), (token) => Effect.either(idTokens.verify(Redacted.make(token))))
      expect(yield* verify).toMatchObject({ _tag: "Right" })
      yield* issuer.setStopped(true)
      yield* TestClock.adjust("23 hours")
      expect(yield* verify).toMatchObject({ _tag: "Right" })
      yield* TestClock.adjust("61 minutes")
      expect(yield* verify).toMatchObject({ left: { _tag: "OciUnavailable" } })
      yield* issuer.setStopped(false)
      yield* TestClock.adjust("30 seconds")
      expect(yield* verify).toMatchObject({ _tag: "Right" })
    }))

  it.scoped("need not be available at the start", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      yield* issuer.setStopped(true)
      const idTokens = yield* make([issuerOf(issuer.url)], { retryAfter: "10 seconds" })
      const token = Redacted.make(yield* issuer.sign())
      expect(yield* Effect.flip(idTokens.verify(token))).toMatchObject({ _tag: "OciUnavailable", retryAfter: 30_000 })
      yield* issuer.setStopped(false)
      yield* TestClock.adjust("10 seconds")
      yield* idTokens.verify(token)
    }))

  it.scoped("are read every hour", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      yield* make([issuerOf(issuer.url)])
      const waitFor = (requests: number) =>
        Effect.promise(async () => {
          while (issuer.keyRequests() < requests) await new Promise((resolve) => setTimeout(resolve, 1))
        })
      yield* waitFor(1)
      yield* TestClock.adjust("1 hour")
      yield* waitFor(2)
    }))
})

describe("a guard with ID tokens", () => {
  const push = { _tag: "Ping" } as const

  it.scoped("accepts them as passwords and as bearer tokens, beside what everyone may do", () =>
    Effect.gen(function*() {
      const issuer = yield* NodeIssuer.make()
      const idTokens = yield* make([anyIssuer(issuer.url, granting("repository:acme/app:push"))])
      const guard = Guard.make({ idTokens, policy: Policy.make((_, { action }) => action === "pull") })
      const ask = (authorization: string) =>
        Effect.either(guard(push, { method: "GET", target: "/v2/", headers: { authorization }, body: undefined }))
      const token = yield* issuer.sign()
      const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`
      const admitted = { right: { caller: { name: "ci:workload" } } }
      expect(yield* ask(`Bearer ${token}`)).toMatchObject(admitted)
      expect(yield* ask(basic("oidc", token))).toMatchObject(admitted)
      const refusals: ReadonlyArray<readonly [string, string | undefined]> = [
        [basic("alice", token), `Basic realm="registry"`],
        [basic("oidc", `${token}x`), `Basic realm="registry"`],
        [`Bearer ${token}x`, `Basic realm="registry"`]
      ]
      for (const [authorization, challenge] of refusals) {
        const answer = yield* ask(authorization)
        if (answer._tag === "Right") throw new Error("admitted")
        const { headers, status } = Request.encodeRejected(answer.left)
        expect([status, headers["www-authenticate"]]).toEqual([401, challenge])
        expect(JSON.stringify(answer)).not.toContain(token)
      }
    }))

  it("has no other users by default", () => {
    expect(Effect.runSync(Users.none.find("alice"))).toBeUndefined()
  })
})
