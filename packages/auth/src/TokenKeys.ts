/**
 * Keys that sign tokens, and those that verify them.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as jose from "jose"
import { keyId } from "./internal/keyId.js"

/**
 * How tokens are signed: RFC 7518, RFC 8037. `docker-registry` takes no `EdDSA`.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "ES256" | "RS256" | "EdDSA"

/**
 * All of them.
 *
 * @since 0.1.0
 * @category constants
 */
export const algorithms: ReadonlyArray<Algorithm> = ["ES256", "RS256", "EdDSA"]

/**
 * A key that verifies. Each serves one algorithm, whatever a token says.
 *
 * @since 0.1.0
 * @category models
 */
export interface VerificationKey {
  /** What tokens call it: their `kid`. */
  readonly id: string
  readonly algorithm: Algorithm
  readonly publicKey: CryptoKey
}

/**
 * A key that signs too.
 *
 * @since 0.1.0
 * @category models
 */
export interface SigningKey extends VerificationKey {
  readonly privateKey: CryptoKey
}

/**
 * A key cannot be used. It says nothing of what the key is.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyInvalid extends Data.TaggedError("KeyInvalid")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

const identified = async (algorithm: Algorithm, publicKey: CryptoKey, id: string | undefined) => ({
  id: id ?? keyId(new Uint8Array(await crypto.subtle.exportKey("spki", publicKey))),
  algorithm,
  publicKey
})

/** The public half of a private key: what is left of it without its secrets. */
const publicHalf = async (algorithm: Algorithm, privateKey: CryptoKey): Promise<CryptoKey> => {
  const { crv, e, kty, n, x, y } = await jose.exportJWK(privateKey)
  const parts = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined)
  return await jose.importJWK(Object.fromEntries(parts), algorithm, { extractable: true }) as CryptoKey
}

/** A key of which only its kind says for which algorithm it is. */
const importAs = async <K>(algorithms: ReadonlyArray<Algorithm>, read: (algorithm: Algorithm) => Promise<K>) => {
  for (const algorithm of algorithms) {
    const key = await read(algorithm).catch(() => undefined)
    if (key !== undefined) return { algorithm, key }
  }
  return undefined
}

const kinds = "a key on the curve P-256 (ES256), an RSA key of at least 2048 bits (RS256) or an Ed25519 key (EdDSA)"

/** jose refuses shorter ones, but only when they are used. */
const isStrong = (key: CryptoKey): boolean =>
  !("modulusLength" in key.algorithm) || (key.algorithm.modulusLength as number) >= 2048

const attempt = <A>(make: () => Promise<A | undefined>, reason: string): Effect.Effect<A, KeyInvalid> =>
  Effect.tryPromise({ try: make, catch: () => new KeyInvalid({ reason }) }).pipe(
    Effect.flatMap((key) => key === undefined ? new KeyInvalid({ reason }) : Effect.succeed(key))
  )

/**
 * A new key, known to this process alone: what it has signed ends with the process.
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
 * A private key in PEM (`BEGIN PRIVATE KEY`), as `openssl genpkey` writes it. Its id is made of it, if not given, as
 * `docker-registry` makes it of the certificates of its `rootcertbundle`.
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
      reason: "the private key is not in PKCS #8: convert it by `openssl pkcs8 -topk8 -nocrypt`"
    })
  }
  return attempt(async () => {
    const found = await importAs(algorithms, (algorithm) => jose.importPKCS8(text, algorithm, { extractable: true }))
    if (found === undefined || !isStrong(found.key)) return undefined
    const publicKey = await publicHalf(found.algorithm, found.key)
    return { ...(await identified(found.algorithm, publicKey, options?.id)), privateKey: found.key }
  }, `the private key cannot be used: what is wanted is, in PEM and without a password, ${kinds}`)
}

/**
 * A private key in PEM by its name in the configuration, of which nothing is shown.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { TokenKeys } from "@effect-oci/auth"
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
 * A public key in PEM (`BEGIN PUBLIC KEY`, `BEGIN CERTIFICATE`). Of a certificate only the key counts: neither its dates
 * nor who signed it are looked at.
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
  }, `the public key cannot be used: what is wanted is, in PEM, ${kinds}`)
}

/** What each algorithm is called in `alg`. RFC 7518, section 3.1; RFC 8037; RFC 9864. */
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

/** The algorithm of a key by its kind, unless it says that it is for something else. RFC 7517, section 4. */
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
 * The keys of a JSON Web Key Set (RFC 7517), as token servers publish them. Those of other kinds, or for other uses, are
 * left out.
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
  }, `the set of keys has one that cannot be used: what is wanted is ${kinds}`)

/**
 * The public keys as a JSON Web Key Set (RFC 7517).
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

/**
 * The keys that count now, which may change while a service runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verifying {
  /** The key that tokens call by this id. */
  readonly find: (id: string) => VerificationKey | undefined
  /** Those that verify, the newest first. */
  readonly all: () => ReadonlyArray<VerificationKey>
}

/**
 * Keys of which the newest signs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ring extends Verifying {
  readonly signing: () => SigningKey
  /** From now on this one signs. Those before it verify what they have signed, until they are removed. */
  readonly rotate: (next: SigningKey) => Effect.Effect<void>
  /** What this key has signed does not count any more. The key that signs cannot be removed. */
  readonly remove: (id: string) => Effect.Effect<void>
}

/**
 * Keys that verify and never change.
 *
 * @since 0.1.0
 * @category constructors
 */
export const verifying = (keys: Iterable<VerificationKey>): Verifying => {
  const all = [...keys]
  return { find: (id) => all.find((key) => key.id === id), all: () => all }
}

/**
 * A key that signs, and others that verify what they have signed before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ring = (signing: SigningKey, ...older: ReadonlyArray<VerificationKey>): Effect.Effect<Ring> =>
  Effect.sync(() => {
    let current = signing
    let others = older
    const all = () => [current, ...others]
    return {
      all,
      find: (id) => all().find((key) => key.id === id),
      signing: () => current,
      rotate: (next) =>
        Effect.sync(() => {
          others = all().filter(({ id }) => id !== next.id)
          current = next
        }),
      remove: (id) =>
        Effect.sync(() => {
          others = others.filter((key) => key.id !== id)
        })
    }
  })
