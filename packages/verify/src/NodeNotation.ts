/**
 * Requires a signature by [Notation](https://notaryproject.dev) (Notary Project) as JWS, with an X.509 certificate that is
 * issued by a trusted authority. Runs on Node only.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import type { KeyObject, X509Certificate } from "node:crypto"
import { constants, verify } from "node:crypto"
import { decode, rejected } from "./internal/bundle.js"
import * as certificates from "./internal/nodeCertificates.js"
import * as notation from "./internal/notation.js"
import type { Layer, Proof, Requirement } from "./Requirement.js"
import { EvidenceRejected, ofLayers } from "./Requirement.js"

/**
 * The attributes of a distinguished name, for example `{ C: "US", ST: "WA", O: "example", CN: "release" }`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DistinguishedName {
  readonly [attribute: string]: string
}

/**
 * Options for {@link trustStore}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The trusted certificates in PEM, one or more in each text: authorities, or self-signed certificates of signers. */
  readonly certificates: ReadonlyArray<string>
  /**
   * The trusted signers: the subject of a certificate must contain all attributes of one of these names. `"any"`: all signers with a
   * certificate by a trusted authority.
   */
  readonly trustedIdentities: ReadonlyArray<DistinguishedName> | "any"
  /** The time at which the certificates and the signature must be valid. Default: now, at each verification. */
  readonly at?: Date | undefined
}

/**
 * Creates a requirement: the manifest is signed by Notation with a certificate that leads to one of the trusted ones.
 *
 * The signing scheme must be `notary.x509`. The certificates must be valid now: timestamp countersignatures are not read,
 * and revocation is not asked. A signature that needs a plugin, or has another critical attribute, is rejected.
 *
 * @since 0.1.0
 * @category constructors
 * @throws TypeError if the texts contain no certificates
 * @example
 * ```ts
 * import * as NodeNotation from "@effect-oci/verify/NodeNotation"
 *
 * const signed = (authority: string) =>
 *   NodeNotation.trustStore({
 *     certificates: [authority],
 *     trustedIdentities: [{ C: "US", ST: "WA", O: "example" }]
 *   })
 * ```
 */
export const trustStore = ({ at, certificates: texts, trustedIdentities }: Options): Requirement => {
  const anchors = certificates.read(texts)
  const names = trustedIdentities === "any" ? "anybody" : trustedIdentities.map(formatted).join(" or ")
  return ofLayers({
    description: `a signature of Notation by ${names}`,
    kinds: { artifactTypes: [notation.artifactType], endings: [] },
    mediaTypes: [notation.envelopeType],
    examine: (layer) =>
      Effect.flatMap(
        at === undefined ? Clock.currentTimeMillis : Effect.succeed(at.getTime()),
        (now) => examine(layer, { anchors, trustedIdentities, now })
      )
  })
}

interface Trust {
  readonly anchors: ReadonlyArray<X509Certificate>
  readonly trustedIdentities: Options["trustedIdentities"]
  readonly now: number
}

const decodeEnvelope = decode("a JWS of Notation", notation.Envelope)
const decodeProtected = decode("a protected header of Notation", notation.Protected)
const decodePayload = decode("a payload of Notation", notation.Payload)

const bytesOf = (what: string, text: string) =>
  Effect.mapError(
    Encoding.decodeBase64Url(text),
    () => new EvidenceRejected({ reason: `is malformed: the base64 of its ${what}` })
  )

const examine = ({ bytes, evidence: { subject } }: Layer, trust: Trust): Effect.Effect<Proof, EvidenceRejected> =>
  Effect.gen(function*() {
    const envelope = yield* decodeEnvelope(bytes)
    const header = yield* Effect.flatMap(bytesOf("protected header", envelope.protected), decodeProtected)
    const chain = yield* Effect.forEach(
      envelope.header.x5c,
      (text) =>
        Effect.mapError(
          Encoding.decodeBase64(text),
          () => new EvidenceRejected({ reason: "is malformed: the base64 of a certificate" })
        )
    )
    const signature = yield* bytesOf("signature", envelope.signature)

    const { signer, validUntil } = yield* Effect.try({
      try: () => certificates.verify(chain, trust.anchors, trust.now),
      catch: (error) =>
        new EvidenceRejected({
          reason: error instanceof certificates.ChainInvalid
            ? `is not trusted: ${error.message}`
            : `is malformed: a certificate (${error instanceof Error ? error.message : String(error)})`
        })
    })
    const { trustedIdentities } = trust
    if (trustedIdentities !== "any" && !trustedIdentities.some((name) => isIdentity(signer, name))) {
      return yield* rejected(`is by ${nameOf(signer)}, who is not trusted`)
    }
    const message = new TextEncoder().encode(`${envelope.protected}.${envelope.payload}`)
    if (!isSigned(header.alg, signer.publicKey, message, signature)) {
      return yield* rejected(`has no valid signature by ${nameOf(signer)}`)
    }
    const expiry = yield* checkHeader(header, trust.now)
    const { targetArtifact: target } = yield* Effect.flatMap(bytesOf("payload", envelope.payload), decodePayload)
    if (target.digest !== subject.digest || target.size !== subject.size || target.mediaType !== subject.mediaType) {
      return yield* rejected(
        `is a signature of ${JSON.stringify(target.digest.slice(0, 80))} as ${target.mediaType.slice(0, 80)}`
      )
    }
    return { by: nameOf(signer), validUntil: Math.min(validUntil, expiry) }
  })

const known: ReadonlySet<string> = new Set([notation.attribute.scheme, notation.attribute.expiry])

/** Checks the attributes of a signature. Returns the time at which it expires. */
const checkHeader = (header: typeof notation.Protected.Type, now: number): Effect.Effect<number, EvidenceRejected> => {
  const { [notation.attribute.expiry]: expiry, [notation.attribute.scheme]: scheme, crit, cty } = header
  if (cty !== notation.payloadType) return rejected(`has a payload of the type ${JSON.stringify(cty.slice(0, 80))}`)
  if (scheme !== notation.scheme) {
    return rejected(`has the signing scheme ${JSON.stringify(scheme.slice(0, 80))}, which is not supported`)
  }
  const unknown = crit.find((name) => !known.has(name))
  if (unknown !== undefined) {
    return rejected(`has the critical attribute ${JSON.stringify(unknown.slice(0, 80))}, which is not supported`)
  }
  if (!crit.includes(notation.attribute.scheme)) return rejected("has a signing scheme that is not critical")
  if (expiry === undefined) return Effect.succeed(Infinity)
  const time = Date.parse(expiry)
  if (Number.isNaN(time)) return rejected("has a malformed time of expiry")
  return time < now ? rejected(`expired at ${expiry}`) : Effect.succeed(time)
}

const algorithmOf = (key: KeyObject): string | undefined => {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  const curves: { readonly [name: string]: string } = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" }
  const kind = key.asymmetricKeyType === "ec" ? curves[namedCurve ?? ""] : `${key.asymmetricKeyType} ${modulusLength}`
  return kind === undefined ? undefined : notation.algorithms[kind]
}

const isSigned = (algorithm: string, key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean => {
  if (algorithm !== algorithmOf(key)) return false
  const hash = `sha${algorithm.slice(2)}`
  return algorithm.startsWith("PS")
    ? verify(
      hash,
      message,
      { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
      signature
    )
    : verify(hash, message, { key, dsaEncoding: "ieee-p1363" }, signature)
}

const subjectOf = (certificate: X509Certificate): { readonly [attribute: string]: unknown } =>
  certificate.toLegacyObject().subject

const isIdentity = (certificate: X509Certificate, name: DistinguishedName): boolean => {
  const subject = subjectOf(certificate)
  const attributes = Object.entries(name)
  return attributes.length > 0 && attributes.every(([attribute, value]) => subject[attribute] === value)
}

const formatted = (name: { readonly [attribute: string]: unknown }): string =>
  Object.entries(name).map(([attribute, value]) => `${attribute}=${String(value)}`).join(", ")

const nameOf = (certificate: X509Certificate): string => formatted(subjectOf(certificate)).slice(0, 200)
