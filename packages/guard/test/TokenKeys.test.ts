import { TokenKeys } from "@effect-oci/guard"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted, TestClock } from "effect"
import * as jose from "jose"
import { execFileSync } from "node:child_process"
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto"

const pairs = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  EdDSA: generateKeyPairSync("ed25519")
}

const pem = (
  key: { export: (options: { type: "pkcs8" | "spki"; format: "pem" }) => string | Buffer },
  type: "pkcs8" | "spki"
) => key.export({ type, format: "pem" }).toString()

/** Computes the id as libtrust does, by another implementation. */
const libtrustId = (publicPem: string): string => {
  const der = createPublicKey(publicPem).export({ type: "spki", format: "der" })
  const bits = [...createHash("sha256").update(der).digest().subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const letters = bits.match(/.{5}/g)!.map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)])
  return letters.join("").match(/.{4}/g)!.join(":")
}

const signed = ({ algorithm, privateKey }: TokenKeys.SigningKey) =>
  Effect.promise(() => new jose.SignJWT({}).setProtectedHeader({ alg: algorithm }).sign(privateKey))

const verifies = (token: string, { publicKey }: TokenKeys.VerificationKey) =>
  Effect.promise(() => jose.jwtVerify(token, publicKey).then(() => true, () => false))

describe.each(TokenKeys.algorithms)("%s", (algorithm) => {
  const privatePem = pem(pairs[algorithm].privateKey, "pkcs8")
  const publicPem = pem(pairs[algorithm].publicKey, "spki")

  it.effect("reads a private key from PEM, which signs what its public half verifies", () =>
    Effect.gen(function*() {
      const key = yield* TokenKeys.fromPem(Redacted.make(privatePem))
      const other = yield* TokenKeys.fromPublicPem(publicPem)
      expect([key.algorithm, key.id]).toEqual([algorithm, libtrustId(publicPem)])
      expect([other.algorithm, other.id]).toEqual([key.algorithm, key.id])
      const token = yield* signed(key)
      expect(yield* verifies(token, key)).toBe(true)
      expect(yield* verifies(token, other)).toBe(true)
      expect(key.publicKey.type).toBe("public")
    }))

  it.effect("generates a key whose key set verifies its signatures, and reveals no secret", () =>
    Effect.gen(function*() {
      const key = yield* TokenKeys.generate(algorithm)
      const jwks = yield* TokenKeys.toJwks([key])
      expect(Object.keys(jwks.keys[0]!).filter((field) => ["d", "p", "q", "dp", "dq", "qi"].includes(field))).toEqual(
        []
      )
      const [read] = yield* TokenKeys.fromJwks(JSON.parse(JSON.stringify(jwks)) as typeof jwks)
      expect([read?.id, read?.algorithm]).toEqual([key.id, algorithm])
      expect(yield* verifies(yield* signed(key), read!)).toBe(true)
    }))

  it.effect("uses the given id", () =>
    Effect.gen(function*() {
      expect((yield* TokenKeys.fromPem(Redacted.make(privatePem), { id: "2026" })).id).toBe("2026")
      expect((yield* TokenKeys.fromPublicPem(publicPem, { id: "2026" })).id).toBe("2026")
    }))
})

it.effect("gives a certificate the id of its key", () =>
  Effect.gen(function*() {
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
    const both = execFileSync("openssl", [...args, "-keyout", "-", "-out", "-"], { stdio: "pipe" }).toString()
    const [key = "", certificate = ""] = both.match(/-----BEGIN [^]*?-----END [A-Z ]+-----/g) ?? []
    const read = yield* TokenKeys.fromPublicPem(certificate)
    expect(read.id).toBe((yield* TokenKeys.fromPem(Redacted.make(key))).id)
  }))

describe("TokenKeys, for a key that cannot be used", () => {
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" })
  const sec1 = pairs.ES256.privateKey.export({ type: "sec1", format: "pem" }).toString()

  it.effect.each(
    [
      ["rubbish", "CANARY", /^the private key cannot be used: provide, in PEM/],
      ["an RSA key that is too short", pem(short.privateKey, "pkcs8"), /at least 2048 bits/],
      ["another curve", pem(p384.privateKey, "pkcs8"), /P-256/],
      ["a public key", pem(pairs.ES256.publicKey, "spki"), /^the private key cannot be used/],
      ["the traditional form of openssl", sec1, /`openssl pkcs8 -topk8 -nocrypt`/]
    ] as const
  )(
    "fails with an error that says what to provide, and does not reveal the key: %s",
    ([, text, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(TokenKeys.fromPem(Redacted.make(text)))
        expect(error.message).toMatch(message)
        expect(JSON.stringify(error)).not.toContain(text.slice(30, 60) || text)
      })
  )

  it.effect("fails for it as a public key, and in a key set", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(TokenKeys.fromPublicPem(pem(short.publicKey, "spki"))))._tag).toBe("OciKeyInvalid")
      expect((yield* Effect.flip(TokenKeys.fromPublicPem("CANARY"))).message).not.toContain("CANARY")
      const weak = short.publicKey.export({ format: "jwk" })
      expect((yield* Effect.flip(TokenKeys.fromJwks({ keys: [{ ...weak }] })))._tag).toBe("OciKeyInvalid")
    }))

  it.effect("ignores keys of other kinds or for other uses in a key set", () =>
    Effect.gen(function*() {
      const other = p384.publicKey.export({ format: "jwk" })
      const encrypts = { ...pairs.ES256.publicKey.export({ format: "jwk" }), use: "enc" }
      const agrees = [
        { ...pairs.ES256.publicKey.export({ format: "jwk" }), alg: "ECDH-ES" },
        { ...pairs.RS256.publicKey.export({ format: "jwk" }), alg: "RSA-OAEP" },
        { ...pairs.EdDSA.publicKey.export({ format: "jwk" }), key_ops: ["deriveKey"] }
      ]
      const secret = { kty: "oct", k: "AAAA", alg: "HS256" }
      expect(yield* TokenKeys.fromJwks({ keys: [other, encrypts, ...agrees, secret] })).toEqual([])
    }))

  it.effect("accepts both names of an algorithm in a key set", () =>
    Effect.gen(function*() {
      const jwk = pairs.EdDSA.publicKey.export({ format: "jwk" })
      const keys = [{ ...jwk, alg: "EdDSA" }, { ...jwk, alg: "Ed25519" }, { ...jwk, key_ops: ["verify"], kid: 5 }]
      const read = yield* TokenKeys.fromJwks({ keys })
      expect(read.map(({ algorithm }) => algorithm)).toEqual(["EdDSA", "EdDSA", "EdDSA"])
      expect(read.map(({ id }) => id)).toEqual([read[0]?.id, read[0]?.id, read[0]?.id])
    }))
})

describe("TokenKeys.config", () => {
  const read = (text: string) =>
    TokenKeys.config("TOKEN_KEY").pipe(
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["TOKEN_KEY", text]])))
    )

  it.effect("reads a key, and names the configuration value in its error", () =>
    Effect.gen(function*() {
      expect((yield* read(pem(pairs.EdDSA.privateKey, "pkcs8"))).algorithm).toBe("EdDSA")
      const error = yield* Effect.flip(read("CANARY"))
      const shown = JSON.stringify(error)
      expect(shown).toContain("TOKEN_KEY: the private key cannot be used")
      expect(shown).not.toContain("CANARY")
    }))
})

describe("TokenKeys.ring", () => {
  it.effect("signs with the newest key, and verifies with the earlier keys until they are removed", () =>
    Effect.gen(function*() {
      const [a, b, c] = yield* Effect.all([TokenKeys.generate(), TokenKeys.generate(), TokenKeys.generate()])
      const ring = yield* TokenKeys.ring(b, a)
      yield* ring.rotate(c)
      expect(ring.signing()).toBe(c)
      expect(ring.all()).toEqual([c, b, a])
      yield* ring.remove(a.id)
      yield* ring.remove(c.id)
      expect(ring.all()).toEqual([c, b])
      expect([a, b, c].map(({ id }) => ring.find(id))).toEqual([undefined, b, c])
      yield* ring.rotate(b)
      expect(ring.all()).toEqual([b, c])
    }))

  it.effect("publishes a key before it signs", () =>
    Effect.gen(function*() {
      const [a, b] = yield* Effect.all([TokenKeys.generate(), TokenKeys.generate()])
      const ring = yield* TokenKeys.ring(a)
      yield* ring.publish(b)
      yield* ring.publish(a)
      expect(ring.signing()).toBe(a)
      expect(ring.all()).toEqual([a, b])
      yield* ring.rotate(b)
      expect(ring.all()).toEqual([b, a])
    }))
})

describe("TokenKeys.ringFromPem", () => {
  const { EdDSA, ES256, RS256 } = pairs
  const text = [pem(ES256.privateKey, "pkcs8"), pem(EdDSA.privateKey, "pkcs8"), pem(RS256.publicKey, "spki")]

  it.effect("signs with the first key of a text, and verifies with all", () =>
    Effect.gen(function*() {
      const ring = yield* TokenKeys.ringFromPem(Redacted.make(text.join("\n# a comment\n")))
      expect(ring.all().map(({ algorithm }) => algorithm)).toEqual(["ES256", "EdDSA", "RS256"])
      expect(ring.signing().id).toBe(libtrustId(pem(ES256.publicKey, "spki")))
      expect(ring.find(libtrustId(pem(RS256.publicKey, "spki")))?.algorithm).toBe("RS256")
    }))

  it.effect.each([["no key", "CANARY"], ["a public key first", text.toReversed().join("")]] as const)(
    "fails for a text with %s",
    ([, text]) =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(TokenKeys.ringFromPem(Redacted.make(text)))
        expect(message).toMatch(/^the private key cannot be used: provide, in PEM/)
      })
  )
})

describe("TokenKeys.reloaded", () => {
  it.scoped("loads the keys again, and keeps them if that fails", () =>
    Effect.gen(function*() {
      const [a, b] = yield* Effect.all([TokenKeys.generate(), TokenKeys.generate()])
      let load: Effect.Effect<TokenKeys.Signing, TokenKeys.KeyInvalid> = TokenKeys.ring(a)
      const keys = yield* TokenKeys.reloaded()(Effect.suspend(() => load))
      expect(keys.signing()).toBe(a)
      load = new TokenKeys.KeyInvalid({ reason: "the file is half written" })
      yield* TestClock.adjust("1 minute")
      expect(keys.all()).toEqual([a])
      load = TokenKeys.ring(b, a)
      yield* TestClock.adjust("1 minute")
      expect(keys.signing()).toBe(b)
      expect([keys.find(a.id), keys.all()]).toEqual([a, [b, a]])
    }))
})
