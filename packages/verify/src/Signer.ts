/**
 * Signers: who may sign. A signer verifies the signatures of all formats of cosign: signatures and attestations, as
 * Sigstore bundles or under cosign's tags.
 *
 * @since 0.1.0
 */
import { Digest } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as keys from "./internal/keys.js"
import type { Proof } from "./Requirement.js"
import { EvidenceRejected } from "./Requirement.js"

/**
 * Signed content, in the parts that the kinds of signers need.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signed {
  /** The bytes that a key signs. */
  readonly message: Uint8Array
  readonly signatures: ReadonlyArray<Uint8Array>
  /** The JSON of the Sigstore bundle, or of one made from cosign's annotations. `undefined` if there is only a signature. */
  readonly bundle: unknown
}

/**
 * A signer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signer {
  /** The name of the signer in messages: "the key SHA256:…". */
  readonly name: string
  /** Fails with `EvidenceRejected` if the content is not signed by this signer. */
  readonly verify: (signed: Signed) => Effect.Effect<Proof, EvidenceRejected>
}

/**
 * Creates a signer from a public key: ECDSA (P-256, P-384 or P-521), RSA or Ed25519, in PEM (`cosign.pub`) or as a
 * `CryptoKey`. The transparency log is not asked.
 *
 * @since 0.1.0
 * @category constructors
 * @throws TypeError if the text is not a public key in PEM
 */
export const key = (publicKey: string | CryptoKey, options: { readonly name?: string | undefined } = {}): Signer => {
  const isText = typeof publicKey === "string"
  const der = isText ? read(publicKey) : undefined
  const name = `the key ${options.name ?? (der === undefined ? "given" : fingerprint(der))}`
  let imported: ReturnType<typeof keys.importKey> | undefined
  const candidates = async () =>
    isText
      ? imported ??= keys.importKey("spki", der!)
      : keys.hashesOf(publicKey).map((hash) => [publicKey, hash] as const)

  const isSigned = async ({ message, signatures }: Signed): Promise<boolean> => {
    for (const [candidate, hash] of await candidates()) {
      for (const signature of signatures) if (await keys.verify(candidate, hash, signature, message)) return true
    }
    return false
  }
  return {
    name,
    verify: (signed) =>
      Effect.tryPromise({
        try: () => isSigned(signed),
        catch: (error) => new EvidenceRejected({ reason: `has a signature that cannot be verified: ${String(error)}` })
      }).pipe(
        Effect.filterOrFail((valid) => valid, () =>
          new EvidenceRejected({ reason: `has no valid signature by ${name}` })),
        Effect.as({ by: name })
      )
  }
}

const read = (pem: string): Uint8Array => {
  try {
    return keys.fromPem("PUBLIC KEY", pem)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TypeError(`cannot read the public key: ${reason}`, { cause })
  }
}

/** Returns a short hash of a public key, to tell keys apart in messages. */
const fingerprint = (der: Uint8Array): string => `SHA256:${Digest.encoded(Digest.fromBytes(der)).slice(0, 16)}`
