/** The formats of cosign: simple signing, DSSE envelopes with in-toto statements, and Sigstore bundles. */
import { Digest } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import { EvidenceRejected } from "../Requirement.js"
import type { Signed } from "../Signer.js"
import { concat } from "./keys.js"

export const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
export const dsseEnvelope = "application/vnd.dsse.envelope.v1+json"
export const bundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"

/** The media types of bundles, without parameters. */
export const bundles: ReadonlyArray<string> = [bundleV03, "application/vnd.dev.sigstore.bundle+json"]

export const signatureAnnotation = "dev.cosignproject.cosign/signature"
export const inToto = "application/vnd.in-toto+json"

/** The type of the statement that cosign 3 signs instead of a simple signing payload. */
export const signPredicate = "https://sigstore.dev/cosign/sign/v1"

/** The number of signatures of one envelope that are verified. */
const maxEnvelopeSignatures = 10

export const rejected = (reason: string): Effect.Effect<never, EvidenceRejected> =>
  Effect.fail(new EvidenceRejected({ reason }))

const utf8 = new TextDecoder("utf-8", { fatal: true })
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Decodes JSON bytes with a schema. */
export const decode = <A, I>(what: string, schema: Schema.Schema<A, I>) => {
  const parse = Schema.decodeUnknownEither(Schema.parseJson(schema))
  return (bytes: Uint8Array): Effect.Effect<A, EvidenceRejected> =>
    Effect.suspend(() => {
      let text: string
      try {
        text = utf8.decode(bytes)
      } catch {
        return rejected(`is malformed: not ${what}, because it is not UTF-8`)
      }
      return Effect.mapError(
        parse(text),
        (error) =>
          new EvidenceRejected({
            reason: `is malformed: not ${what} (${error.message.split("\n").at(-1)!.trim().slice(0, 200)})`
          })
      )
    })
}

const base64 = (what: string, text: string): Effect.Effect<Uint8Array, EvidenceRejected> =>
  Effect.mapError(
    Either.orElse(Encoding.decodeBase64(text), () => Encoding.decodeBase64Url(text)),
    () => new EvidenceRejected({ reason: `is malformed: the base64 of its ${what}` })
  )

const Envelope = Schema.Struct({
  payloadType: Schema.String,
  payload: Schema.String,
  signatures: Schema.NonEmptyArray(Schema.Struct({ sig: Schema.String }))
})

const Bundle = Schema.Struct({
  mediaType: Schema.String,
  dsseEnvelope: Schema.optional(Envelope),
  messageSignature: Schema.optional(Schema.Struct({ signature: Schema.String }))
})

const Statement = Schema.Struct({
  _type: Schema.Literal("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"),
  subject: Schema.Array(Schema.Struct({ digest: Schema.Record({ key: Schema.String, value: Schema.String }) })),
  predicateType: Schema.String,
  predicate: Schema.optional(Schema.Unknown)
})

/** An in-toto statement about the subject, with its signatures, which are not verified yet. */
export interface Attestation {
  readonly predicateType: string
  readonly predicate: unknown
  readonly signed: Signed
}

const decodeBundle = decode("a Sigstore bundle", Bundle)
const decodeJson = decode("JSON", Schema.Unknown)
const decodeEnvelope = decode("a DSSE envelope", Envelope)
const decodeStatement = decode("an in-toto statement", Statement)

/** Returns the bytes that a DSSE envelope signs. [Spec](https://github.com/secure-systems-lab/dsse/blob/master/protocol.md). */
export const preAuthentication = (type: string, payload: Uint8Array): Uint8Array =>
  concat(encode(`DSSEv1 ${encode(type).byteLength} ${type} ${payload.byteLength} `), payload)

const attestation = (
  envelope: typeof Envelope.Type,
  bundle: unknown,
  subject: Digest.Digest
): Effect.Effect<Attestation, EvidenceRejected> =>
  Effect.gen(function*() {
    const { payload, payloadType, signatures } = envelope
    if (payloadType !== inToto) {
      return yield* rejected(`has a payload of the type ${JSON.stringify(payloadType.slice(0, 80))}`)
    }
    const bytes = yield* base64("payload", payload)
    const decoded = yield* Effect.forEach(signatures.slice(0, maxEnvelopeSignatures), ({ sig }) =>
      base64("signature", sig))
    const { predicate, predicateType, subject: subjects } = yield* decodeStatement(bytes)
    const isAbout = subjects.some(({ digest }) =>
      digest[Digest.algorithm(subject)] === Digest.encoded(subject)
    )
    if (!isAbout) return yield* rejected("is a statement about another manifest")
    return {
      predicateType,
      predicate,
      signed: { message: preAuthentication(payloadType, bytes), signatures: decoded, bundle }
    }
  })

/** Reads a Sigstore bundle: an attestation, or the signature of the subject's bytes. */
export const fromBundle = <E>(
  bytes: Uint8Array,
  subject: Descriptor.Descriptor,
  content: Effect.Effect<Uint8Array, E>
): Effect.Effect<Attestation | Signed, EvidenceRejected | E> =>
  Effect.gen(function*() {
    const bundle = yield* decodeBundle(bytes)
    const json = yield* decodeJson(bytes)
    if (bundle.dsseEnvelope !== undefined && bundle.messageSignature !== undefined) {
      // The verified content could differ from the content that is parsed here.
      return yield* rejected("is a bundle with two contents")
    }
    if (bundle.dsseEnvelope !== undefined) return yield* attestation(bundle.dsseEnvelope, json, subject.digest)
    if (bundle.messageSignature === undefined) return yield* rejected("is a bundle without a signature")
    const signature = yield* base64("signature", bundle.messageSignature.signature)
    return { message: yield* content, signatures: [signature], bundle: json }
  })

/** Reads a DSSE envelope under a tag of cosign. */
export const fromEnvelope = (
  bytes: Uint8Array,
  subject: Descriptor.Descriptor,
  layer: Descriptor.Descriptor
): Effect.Effect<Attestation, EvidenceRejected> =>
  Effect.flatMap(
    decodeEnvelope(bytes),
    (envelope) => attestation(envelope, legacyBundle(layer.annotations, { dsseEnvelope: envelope }), subject.digest)
  )

const Payload = Schema.Struct({
  critical: Schema.Struct({
    type: Schema.Literal("cosign container image signature"),
    identity: Schema.Struct({ "docker-reference": Schema.optional(Schema.String) }),
    image: Schema.Struct({ "docker-manifest-digest": Schema.String })
  }),
  optional: Schema.NullishOr(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})

/** A simple signing payload about the subject, with its signature, which is not verified yet. */
export interface Simple {
  readonly identity: string | undefined
  readonly annotations: { readonly [key: string]: unknown }
  readonly signed: Signed
}

const decodePayload = decode("a payload of cosign", Payload)

/**
 * Reads a simple signing payload, and the signature in the annotations of its layer.
 * [Spec](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
 */
export const fromSimple = (
  bytes: Uint8Array,
  subject: Descriptor.Descriptor,
  layer: Descriptor.Descriptor
): Effect.Effect<Simple, EvidenceRejected> =>
  Effect.gen(function*() {
    const text = layer.annotations?.[signatureAnnotation]
    if (text === undefined) return yield* rejected(`has no annotation ${signatureAnnotation}`)
    const { critical, optional } = yield* decodePayload(bytes)
    const digest = critical.image["docker-manifest-digest"]
    if (digest !== subject.digest) return yield* rejected(`is a signature of ${JSON.stringify(digest.slice(0, 80))}`)
    const signature = yield* base64("signature", text)
    const hash = Encoding.encodeBase64(Either.getOrThrow(Encoding.decodeHex(Digest.encoded(Digest.fromBytes(bytes)))))
    const messageSignature = { messageDigest: { algorithm: "SHA2_256", digest: hash }, signature: text }
    return {
      identity: critical.identity["docker-reference"],
      annotations: optional ?? {},
      signed: { message: bytes, signatures: [signature], bundle: legacyBundle(layer.annotations, { messageSignature }) }
    }
  })

const RekorBundle = Schema.Struct({
  SignedEntryTimestamp: Schema.String,
  Payload: Schema.Struct({
    body: Schema.String,
    integratedTime: Schema.Number,
    logIndex: Schema.Number,
    logID: Schema.String
  })
})

const parseRekor = Schema.decodeUnknownEither(Schema.parseJson(RekorBundle))
const parseEntry = Schema.decodeUnknownEither(
  Schema.parseJson(Schema.Struct({ kind: Schema.String, apiVersion: Schema.String }))
)

/**
 * Makes a Sigstore bundle from the annotations that cosign 1 and 2 write beside a signature by identity. Returns
 * `undefined` without a certificate or an entry of the transparency log.
 */
const legacyBundle = (annotations: Descriptor.Descriptor["annotations"], content: object): unknown => {
  const certificate = /-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]*)-----END CERTIFICATE-----/.exec(
    annotations?.["dev.sigstore.cosign/certificate"] ?? ""
  )
  const rekor = Either.getOrUndefined(parseRekor(annotations?.["dev.sigstore.cosign/bundle"]))
  if (certificate === null || rekor === undefined) return undefined
  const { body, integratedTime, logID, logIndex } = rekor.Payload
  const entry = Encoding.decodeBase64String(body).pipe(Either.flatMap(parseEntry), Either.getOrUndefined)
  const keyId = Either.getOrUndefined(Encoding.decodeHex(logID))
  if (entry === undefined || keyId === undefined) return undefined
  return {
    mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: certificate[1]!.replace(/\s/g, "") }] },
      tlogEntries: [{
        logIndex: String(logIndex),
        logId: { keyId: Encoding.encodeBase64(keyId) },
        kindVersion: { kind: entry.kind, version: entry.apiVersion },
        integratedTime: String(integratedTime),
        inclusionPromise: { signedEntryTimestamp: rekor.SignedEntryTimestamp },
        canonicalizedBody: body
      }]
    },
    ...content
  }
}
