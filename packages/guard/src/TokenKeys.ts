/**
 * Keys that sign tokens, and keys that verify them.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as jose from "jose"
import { keyId } from "./internal/keyId.js"
import { ring } from "./TokenKeyRings.js"
import type { Ring } from "./TokenKeyRings.js"
import { algorithms, KeyInvalid } from "./TokenKeysModel.js"
import type { Algorithm, SigningKey, VerificationKey } from "./TokenKeysModel.js"

export * from "./TokenKeyRings.js"
export * from "./TokenKeysModel.js"

const identified = async (algorithm: Algorithm, publicKey: CryptoKey, id: string | undefined) => ({
  id: id ?? keyId(new Uint8Array(await crypto.subtle.exportKey("spki", publicKey))),
  algorithm,
  publicKey
})

/** Returns the public half of a private key. */
const publicHalf = async (algorithm: Algorithm, privateKey: CryptoKey): Promise<CryptoKey> => {
  const { crv, e, kty, n, x, y } = await jose.exportJWK(privateKey)
  const parts = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined)
  return await jose.importJWK(Object.fromEntries(parts), algorithm, { extractable: true }) as CryptoKey
}

/** Imports a key with the first algorithm that fits the kind of the key. */
const importAs = async <K>(algorithms: ReadonlyArray<Algorithm>, read: (algorithm: Algorithm) => Promise<K>) => {
  for (const algorithm of algorithms) {
    const key = await read(algorithm).catch(() => undefined)
    if (key !== undefined) return { algorithm, key }
  }
  return undefined
}

const kinds = "a key on the curve P-256 (ES256), an RSA key of at least 2048 bits (RS256) or an Ed25519 key (EdDSA)"

/** Returns whether an RSA key is long enough. jose also refuses shorter keys, but only when they are used. */
const isStrong = (key: CryptoKey): boolean =>
  !("modulusLength" in key.algorithm) || (key.algorithm.modulusLength as number) >= 2048

const attempt = <A>(make: () => Promise<A | undefined>, reason: string): Effect.Effect<A, KeyInvalid> =>
  Effect.tryPromise({ try: make, catch: () => new KeyInvalid({ reason }) }).pipe(
    Effect.flatMap((key) => key === undefined ? new KeyInvalid({ reason }) : Effect.succeed(key))
  )

/**
 * Generates a key that only this process knows. The tokens that it signed become invalid when the process ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const generate = (algorithm: Algorithm = "ES256"): Effect.Effect<SigningKey> =>
  Effect.promise(async () => {
    const { privateKey, publicKey } = await jose.generateKeyPair(algorithm, { extractable: true })
    return { ...(await identified(algorithm, publicKey, undefined)), privateKey }
  })

/**
 * Reads a private key from PEM (`BEGIN PRIVATE KEY`), as `openssl genpkey` writes it. Default of `id`: computed from
 * the key, as `docker-registry` computes the ids of the keys in its `rootcertbundle`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPem = (
  pem: Redacted.Redacted<string>,
  options?: { readonly id?: string | undefined }
): Effect.Effect<SigningKey, KeyInvalid> => {
  const text = Redacted.value(pem).trim()
  if (/^-----BEGIN (EC|RSA) PRIVATE KEY-----/.test(text)) {
    return new KeyInvalid({
      reason: "the private key is not in PKCS #8: convert it with `openssl pkcs8 -topk8 -nocrypt`"
    })
  }
  return attempt(async () => {
    const found = await importAs(algorithms, (algorithm) => jose.importPKCS8(text, algorithm, { extractable: true }))
    if (found === undefined || !isStrong(found.key)) return undefined
    const publicKey = await publicHalf(found.algorithm, found.key)
    return { ...(await identified(found.algorithm, publicKey, options?.id)), privateKey: found.key }
  }, `the private key cannot be used: provide, in PEM and without a password, ${kinds}`)
}

/**
 * Reads a private key in PEM from the configuration value `name`. Errors do not reveal the key.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { TokenKeys } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const keys = Effect.flatMap(TokenKeys.config("TOKEN_KEY"), (key) => TokenKeys.ring(key))
 * ```
 */
export const config = (name: string): Effect.Effect<SigningKey, ConfigError | KeyInvalid> =>
  Effect.flatMap(
    Config.redacted(name),
    (pem) => Effect.mapError(fromPem(pem), ({ reason }) => new KeyInvalid({ reason: `${name}: ${reason}` }))
  )

/**
 * Reads a public key from PEM (`BEGIN PUBLIC KEY`, `BEGIN CERTIFICATE`). Of a certificate, only the key is used: its
 * dates and its issuer are not checked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPublicPem = (
  pem: string,
  options?: { readonly id?: string | undefined }
): Effect.Effect<VerificationKey, KeyInvalid> => {
  const text = pem.trim()
  const read = text.startsWith("-----BEGIN CERTIFICATE-----") ? jose.importX509 : jose.importSPKI
  return attempt(async () => {
    const found = await importAs(algorithms, (algorithm) => read(text, algorithm, { extractable: true }))
    return found === undefined || !isStrong(found.key)
      ? undefined
      : identified(found.algorithm, found.key, options?.id)
  }, `the public key cannot be used: provide, in PEM, ${kinds}`)
}

const pemBlocks = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g

/**
 * Reads the keys of a text: private and public keys in PEM, one after another. The first one must be private, and signs.
 * All of them verify. The nodes of a registry read the same text, from a file, a variable or a database.
 *
 * To replace the key that signs without refusing a token, change the text three times: add the next key at its end,
 * move that key to the front, and remove the old key. Before each change, wait as {@link Ring} says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ringFromPem = (pem: Redacted.Redacted<string>): Effect.Effect<Ring, KeyInvalid> =>
  Effect.gen(function*() {
    const blocks = Array.from(Redacted.value(pem).matchAll(pemBlocks), ([text]) => text)
    const isPrivate = (text: string) => /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
    const [first = Redacted.value(pem), ...others] = blocks
    const signing = yield* fromPem(Redacted.make(first))
    const verifying = yield* Effect.forEach(
      others,
      (text): Effect.Effect<VerificationKey, KeyInvalid> =>
        isPrivate(text) ? fromPem(Redacted.make(text)) : fromPublicPem(text)
    )
    return yield* ring(signing, ...verifying)
  })

/** The values of `alg` for each algorithm. RFC 7518, section 3.1; RFC 8037; RFC 9864. */
const names: { readonly [algorithm in Algorithm]: ReadonlyArray<unknown> } = {
  ES256: ["ES256"],
  RS256: ["RS256"],
  EdDSA: ["EdDSA", "Ed25519"]
}

const algorithmOfKind = ({ crv, kty }: jose.JWK): Algorithm | undefined => {
  if (kty === "EC" && crv === "P-256") return "ES256"
  if (kty === "RSA") return "RS256"
  return kty === "OKP" && crv === "Ed25519" ? "EdDSA" : undefined
}

/**
 * Returns the algorithm for the kind of a key. Returns `undefined` if the key is for another use or another algorithm.
 * [RFC 7517, section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4).
 */
const algorithmOf = (jwk: jose.JWK): Algorithm | undefined => {
  const { alg, key_ops: operations, use } = jwk
  const algorithm = algorithmOfKind(jwk)
  return algorithm !== undefined && (use === undefined || use === "sig") &&
      (alg === undefined || names[algorithm].includes(alg)) &&
      (!Array.isArray(operations) || operations.includes("verify"))
    ? algorithm
    : undefined
}

/**
 * Reads the keys of a JSON Web Key Set ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517#section-5)), as token servers
 * publish it. Ignores keys of other kinds and keys for other uses. Fails with `KeyInvalid` if any other key is
 * malformed or too short.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJwks = (jwks: {
  readonly keys: ReadonlyArray<{ readonly [field: string]: unknown }>
}): Effect.Effect<ReadonlyArray<VerificationKey>, KeyInvalid> =>
  attempt(async () => {
    const keys = (jwks.keys as ReadonlyArray<jose.JWK>).flatMap((jwk) => {
      const algorithm = algorithmOf(jwk)
      return algorithm === undefined ? [] : [{ algorithm, jwk }]
    })
    return Promise.all(keys.map(async ({ algorithm, jwk: { crv, e, kid, kty, n, x, y } }) => {
      const parts = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined)
      const key = await jose.importJWK(Object.fromEntries(parts), algorithm, { extractable: true })
      if (!isStrong(key as CryptoKey)) throw new Error("short")
      return identified(algorithm, key as CryptoKey, typeof kid === "string" ? kid : undefined)
    }))
  }, `the key set contains a key that cannot be used: publish ${kinds}`)

/**
 * Returns the public keys as a JSON Web Key Set ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJwks = (
  keys: ReadonlyArray<VerificationKey>
): Effect.Effect<{ readonly keys: ReadonlyArray<{ readonly [field: string]: unknown }> }> =>
  Effect.promise(async () => ({
    keys: await Promise.all(keys.map(async ({ algorithm, id, publicKey }) => {
      const { crv, e, kty, n, x, y } = await jose.exportJWK(publicKey)
      return { kid: id, alg: algorithm, use: "sig", kty, crv, x, y, n, e }
    }))
  }))
