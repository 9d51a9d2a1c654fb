import { AuthScope } from "@effect-oci/core"
import { TokenKeys, TokenVerifier } from "@effect-oci/guard"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Redacted, TestClock } from "effect"
import * as jose from "jose"

const issuer = "https://auth.example"
const audience = "registry.example"

/** Claims of a token. Times are in seconds from the start of the test's clock. */
const claims = (extraClaims?: object): jose.JWTPayload => ({
  iss: issuer,
  aud: audience,
  sub: "alice",
  iat: 0,
  nbf: 0,
  exp: 300,
  access: [{ type: "repository", name: "team/app", actions: ["pull", "push"] }],
  ...extraClaims
})

const sign = (
  key: TokenKeys.SigningKey,
  payload: jose.JWTPayload = claims(),
  header: Partial<jose.JWTHeaderParameters> = { kid: key.id }
) =>
  Effect.promise(() =>
    new jose.SignJWT(payload).setProtectedHeader({ alg: key.algorithm, ...header }).sign(key.privateKey)
  )

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

const setup = Effect.gen(function*() {
  const key = yield* TokenKeys.generate()
  const ring = yield* TokenKeys.ring(key)
  const verifier = yield* TokenVerifier.make({ issuer, audience, keys: ring })
  return {
    key,
    ring,
    verify: (token: string) => verifier(Redacted.make(token)),
    refused: (token: string) => Effect.map(Effect.flip(verifier(Redacted.make(token))), ({ reason }) => reason)
  }
})

describe("TokenVerifier.make, for a valid token", () => {
  it.effect("returns its caller and its scope", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const { caller, granted } = yield* verify(yield* sign(key))
      expect(caller).toMatchObject({ name: "alice", claims: { iss: issuer, sub: "alice" } })
      expect(AuthScope.equals(granted, AuthScope.parse("repository:team/app:pull,push"))).toBe(true)
    }))

  it.effect.each(
    [
      ["nothing", {}, ""],
      ["null", { access: null }, ""],
      [
        "a class",
        { access: [{ type: "repository", class: "plugin", name: "a", actions: ["pull"] }] },
        "repository(plugin):a:pull"
      ],
      ["the catalog", { access: [{ type: "registry", name: "catalog", actions: ["*"] }] }, "registry:catalog:*"]
    ] as const
  )("grants %s", ([_, access, scope]) =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const { access: __, ...rest } = claims()
      const { granted } = yield* verify(yield* sign(key, { ...rest, ...access }))
      expect(AuthScope.format(AuthScope.canonical(granted))).toBe(scope)
    }))

  it.effect("returns an anonymous caller for a token without a subject", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      expect((yield* verify(yield* sign(key, claims({ sub: "" })))).caller.name).toBeUndefined()
    }))

  it.effect("accepts several audiences, and a token without a key id if only one key has its algorithm", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const token = yield* sign(key, claims({ aud: ["other", audience] }), {})
      expect((yield* verify(token)).caller.name).toBe("alice")
    }))

  it.effect("verifies a token once, then remembers it until it expires, including the leeway", () =>
    Effect.gen(function*() {
      const { key, refused, verify } = yield* setup
      const token = yield* sign(key)
      expect(Exit.isExit(verify(token))).toBe(false)
      yield* verify(token)
      expect(Exit.isExit(verify(token))).toBe(true)
      yield* TestClock.adjust("329 seconds")
      expect(Exit.isExit(verify(token))).toBe(true)
      yield* TestClock.adjust("1 second")
      expect(yield* refused(token)).toBe("the token has expired")
    }))

  it.effect("remembers each token with its own scope (T10)", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const grants = ["alice", "bob"].flatMap((sub) => ["a", "b"].map((name) => ({ sub, name })))
      const tokens = yield* Effect.forEach(grants, ({ name, sub }) =>
        sign(key, claims({ sub, access: [{ type: "repository", name, actions: ["pull"] }] })))
      for (let round = 0; round < 2; round++) {
        const verified = yield* Effect.forEach(tokens, verify)
        expect(verified.map(({ caller, granted }) => ({ sub: caller.name, granted: AuthScope.format(granted) })))
          .toEqual(
            grants.map(({ name, sub }) => ({ sub, granted: `repository:${name}:pull` }))
          )
      }
    }))

  it.effect("refuses the token once its key is removed", () =>
    Effect.gen(function*() {
      const { key, refused, ring, verify } = yield* setup
      const token = yield* sign(key)
      yield* ring.rotate(yield* TokenKeys.generate())
      yield* verify(token)
      yield* verify(token)
      yield* ring.remove(key.id)
      expect(yield* refused(token)).toBe("the token is signed by an unknown key")
    }))

  it.effect("accepts a token within the leeway before and after its time", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      yield* TestClock.adjust("10 minutes")
      yield* verify(yield* sign(key, claims({ iat: 600, nbf: 629, exp: 900 })))
      yield* verify(yield* sign(key, claims({ exp: 571 })))
    }))
})

describe("TokenVerifier.make refuses a token", () => {
  it.effect.each([
    ["another issuer", { iss: "https://evil.example" }, `the token's claim "iss" is missing or wrong`],
    ["no issuer", { iss: undefined }, `the token's claim "iss" is missing or wrong`],
    ["another audience", { aud: "other.example" }, `the token's claim "aud" is missing or wrong`],
    [
      "an audience with the same start",
      { aud: "registry.example.evil" },
      `the token's claim "aud" is missing or wrong`
    ],
    ["no audience", { aud: undefined }, `the token's claim "aud" is missing or wrong`],
    ["expired", { exp: -31 }, "the token has expired"],
    ["no expiry", { exp: undefined }, `the token's claim "exp" is missing or wrong`],
    ["an expiry that is not a number", { exp: "never" }, `the token's claim "exp" is missing or wrong`],
    ["not yet valid", { nbf: 31 }, `the token's claim "nbf" is missing or wrong`],
    [
      "access that is not a list",
      { access: "repository:team/app:*" },
      `the token's claim "access" or "sub" is malformed`
    ],
    [
      "actions that are not a list",
      { access: [{ type: "a", name: "b", actions: "*" }] },
      `the token's claim "access" or "sub" is malformed`
    ],
    [
      "too many access entries",
      { access: Array.from({ length: 257 }, () => ({ type: "a", name: "b", actions: [] })) },
      `the token's claim "access" or "sub" is malformed`
    ],
    ["a subject that is not a text", { sub: { name: "alice" } }, `the token's claim "access" or "sub" is malformed`]
  ])("%s", ([_, extraClaims, reason]) =>
    Effect.gen(function*() {
      const { key, refused } = yield* setup
      expect(yield* refused(yield* sign(key, claims(extraClaims as object)))).toBe(reason)
    }))

  it.effect("with algorithm none, in any spelling", () =>
    Effect.gen(function*() {
      const { key, refused } = yield* setup
      for (const alg of ["none", "None", "NONE", ""]) {
        for (const signature of ["", "AAAA"]) {
          const token = `${base64({ alg, kid: key.id })}.${base64(claims())}.${signature}`
          expect(yield* refused(token)).toMatch(/does not verify|algorithm/)
        }
      }
    }))

  it.effect("signed with HS256 by the text of the public key", () =>
    Effect.gen(function*() {
      const { key, refused } = yield* setup
      const pem = yield* Effect.promise(() => jose.exportSPKI(key.publicKey))
      for (const secret of [pem, pem.trim()]) {
        const token = yield* Effect.promise(() =>
          new jose.SignJWT(claims()).setProtectedHeader({ alg: "HS256", kid: key.id })
            .sign(new TextEncoder().encode(secret))
        )
        expect(yield* refused(token)).toBe("the token does not verify")
      }
    }))

  it.effect("with an algorithm that is not the algorithm of its key", () =>
    Effect.gen(function*() {
      const { key, refused } = yield* setup
      const rsa = yield* TokenKeys.generate("RS256")
      expect(yield* refused(yield* sign(rsa, claims(), { kid: key.id }))).toBe(
        "the token's algorithm is not the algorithm of its key"
      )
    }))

  it.effect("signed by a key that the token itself contains", () =>
    Effect.gen(function*() {
      const { key, refused } = yield* setup
      const evil = yield* TokenKeys.generate()
      const jwk = yield* Effect.promise(() => jose.exportJWK(evil.publicKey))
      const jku = "https://evil.example/jwks.json"
      for (const header of [{ jwk }, { jku }, { x5u: jku }, { x5c: ["AAAA"] }]) {
        expect(yield* refused(yield* sign(evil, claims(), { ...header, kid: key.id }))).toBe(
          "the token does not verify"
        )
        expect(yield* refused(yield* sign(evil, claims(), header))).toBe("the token does not verify")
        expect(yield* refused(yield* sign(evil, claims(), { ...header, kid: evil.id }))).toBe(
          "the token is signed by an unknown key"
        )
      }
    }))

  it.effect("without a key id if there are several keys, or with the name of a prototype property as key id", () =>
    Effect.gen(function*() {
      const { key, refused, ring } = yield* setup
      expect(yield* refused(yield* sign(key, claims(), { kid: "__proto__" }))).toContain("unknown key")
      yield* ring.rotate(yield* TokenKeys.generate())
      expect(yield* refused(yield* sign(key, claims(), {}))).toContain("unknown key")
    }))

  it.effect("changed in any part, or with unknown critical extensions", () =>
    Effect.gen(function*() {
      const { key, refused, verify } = yield* setup
      const token = yield* sign(key)
      yield* verify(token)
      const [header, , signature] = token.split(".")
      const other = base64(claims({ access: [{ type: "repository", name: "other", actions: ["*"] }] }))
      expect(yield* refused(`${header}.${other}.${signature}`)).toBe("the token does not verify")
      const crit = `${base64({ alg: "ES256", kid: key.id, crit: ["x"], x: 1 })}.${base64(claims())}.${signature}`
      expect(yield* refused(crit)).toBe("the token does not verify")
    }))

  it.effect.each(["", ".", "..", "a.b.c", "a.b.c.d.e", "\u0000", "e30.e30.e30", "CANARY"])(
    "that is malformed: %j",
    (token) =>
      Effect.gen(function*() {
        const { refused } = yield* setup
        const reason = yield* refused(token)
        expect(reason).toBe("the token does not verify")
      })
  )

  it.effect("that is too long, without parsing it", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const token = yield* sign(key, claims({ extraClaims: "x".repeat(TokenVerifier.maxLength) }))
      const answer = verify(token)
      expect(Exit.isExit(answer)).toBe(true)
      expect((yield* Effect.flip(answer)).reason).toBe("the token is too long")
    }))

  it.effect("without showing it in the error", () =>
    Effect.gen(function*() {
      const { key, verify } = yield* setup
      const token = yield* sign(key, claims({ iss: "CANARY", jti: "CANARY" }))
      const error = yield* Effect.flip(verify(token))
      expect(`${JSON.stringify(error)}${String(error)}${error.stack}`).not.toMatch(/CANARY|eyJ/)
    }))
})

it.effect("TokenKeys.fromJwks of a published key set verifies the tokens of its server", () =>
  Effect.gen(function*() {
    const signing = yield* Effect.forEach(TokenKeys.algorithms, TokenKeys.generate)
    const jwks = yield* TokenKeys.toJwks(signing)
    const keys = TokenKeys.verifying(yield* TokenKeys.fromJwks(jwks))
    const verify = yield* TokenVerifier.make({ issuer, audience, keys })
    for (const key of signing) expect((yield* verify(Redacted.make(yield* sign(key)))).caller.name).toBe("alice")
  }))
