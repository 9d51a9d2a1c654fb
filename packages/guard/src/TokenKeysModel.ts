/**
 * The models of keys. Import them from `TokenKeys`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A signature algorithm: [RFC 7518](https://www.rfc-editor.org/rfc/rfc7518#section-3.1),
 * [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037#section-3.1). `docker-registry` does not accept `EdDSA`.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "ES256" | "RS256" | "EdDSA"

/**
 * All signature algorithms.
 *
 * @since 0.1.0
 * @category constants
 */
export const algorithms: ReadonlyArray<Algorithm> = ["ES256", "RS256", "EdDSA"]

/**
 * A key that verifies tokens. Each key serves one algorithm only, whatever a token claims.
 *
 * @since 0.1.0
 * @category models
 */
export interface VerificationKey {
  /** The id of the key: the `kid` of its tokens. */
  readonly id: string
  readonly algorithm: Algorithm
  readonly publicKey: CryptoKey
}

/**
 * A key that signs tokens and verifies them.
 *
 * @since 0.1.0
 * @category models
 */
export interface SigningKey extends VerificationKey {
  readonly privateKey: CryptoKey
}

/**
 * A key cannot be used. The error does not reveal the key.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyInvalid extends Data.TaggedError("OciKeyInvalid")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}
