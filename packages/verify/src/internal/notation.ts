/** The format of Notation's signatures as JWS. Spec: https://github.com/notaryproject/specifications (signature-envelope-jws.md). */
import * as Schema from "effect/Schema"

export const artifactType = "application/vnd.cncf.notary.signature"
export const envelopeType = "application/jose+json"
export const payloadType = "application/vnd.cncf.notary.payload.v1+json"
export const scheme = "notary.x509"

export const attribute = {
  scheme: "io.cncf.notary.signingScheme",
  time: "io.cncf.notary.signingTime",
  expiry: "io.cncf.notary.expiry",
  agent: "io.cncf.notary.signingAgent"
} as const

export const Envelope = Schema.Struct({
  payload: Schema.String,
  protected: Schema.String,
  header: Schema.Struct({ x5c: Schema.NonEmptyArray(Schema.String) }),
  signature: Schema.String
})

export const Protected = Schema.Struct({
  alg: Schema.String,
  cty: Schema.String,
  crit: Schema.Array(Schema.String),
  [attribute.scheme]: Schema.String,
  [attribute.time]: Schema.optional(Schema.String),
  [attribute.expiry]: Schema.optional(Schema.String)
})

export const Payload = Schema.Struct({
  targetArtifact: Schema.Struct({ mediaType: Schema.String, digest: Schema.String, size: Schema.Number })
})

/** The algorithms of JWS by the kind and size of the key, as the spec assigns them. */
export const algorithms: { readonly [key: string]: string } = {
  "rsa 2048": "PS256",
  "rsa 3072": "PS384",
  "rsa 4096": "PS512",
  "P-256": "ES256",
  "P-384": "ES384",
  "P-521": "ES512"
}
