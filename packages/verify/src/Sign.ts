/**
 * Makes signatures by key, for tests and CI: in the formats of cosign, and in that of Notation.
 *
 * Keys are not kept anywhere. For keys in hardware or a service, and for signatures by identity, use the programs `cosign`
 * and `notation`.
 *
 * @since 0.1.0
 */
import { Body, Descriptor, Manifest, MediaType, Registry, RegistryError, Tag } from "@effect-oci/core"
import type { Operation, RepositoryName } from "@effect-oci/core"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as formats from "./internal/bundle.js"
import * as keys from "./internal/keys.js"
import * as format from "./internal/notation.js"

/**
 * A key pair: the public key in PEM, and the private key.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyPair {
  readonly publicKey: string
  readonly privateKey: CryptoKey
}

/**
 * Generates a key pair, ECDSA P-256 like cosign's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const keyPair: Effect.Effect<KeyPair> = Effect.promise(async () => {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
  const der = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey))
  return { publicKey: keys.toPem("PUBLIC KEY", der), privateKey: pair.privateKey }
})

/**
 * A private key: PKCS #8 in PEM, not encrypted, or a `CryptoKey`.
 *
 * @since 0.1.0
 * @category models
 */
export type PrivateKey = CryptoKey | Redacted.Redacted

/**
 * The manifest to sign, and the key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly repository: RepositoryName.RepositoryName
  /** The tag or digest of the manifest. A tag is resolved, and its manifest is signed. */
  readonly reference: Operation.TagOrDigest
  readonly key: PrivateKey
}

/**
 * Options for {@link cosign}.
 *
 * @since 0.1.0
 * @category models
 */
export interface CosignOptions extends Options {
  /**
   * Where the signature goes: under cosign's tag `sha256-<hex>.sig`, or into a Sigstore bundle as a referrer, as with cosign
   * 3. Default: `"bundle"`.
   */
  readonly format?: "tag" | "bundle" | undefined
  /** The repository that the payload names, with its host. Only for the format `tag`. Default: the repository's name. */
  readonly identity?: string | undefined
  /** What the signature says in addition. Default: nothing. */
  readonly annotations?: { readonly [key: string]: string } | undefined
}

/**
 * Options for {@link attest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttestOptions extends Options {
  readonly predicateType: string
  readonly predicate: unknown
}

/**
 * Options for {@link notation}.
 *
 * @since 0.1.0
 * @category models
 */
export interface NotationOptions extends Options {
  /**
   * The chain of certificates in PEM: that of the key first, then those of the authorities. The key is ECDSA P-256, P-384 or
   * P-521.
   */
  readonly certificates: string
  /** When the signature expires. Default: never. */
  readonly expiry?: Date | undefined
}

/**
 * Signs a manifest like `cosign sign --key`, and pushes the signature. Returns the descriptor of the signature's manifest.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RepositoryName, Tag } from "@effect-oci/core"
 * import { Sign } from "@effect-oci/verify"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { privateKey, publicKey } = yield* Sign.keyPair
 *   yield* Sign.cosign({ repository: RepositoryName.make("team/app"), reference: Tag.make("v1"), key: privateKey })
 *   return publicKey
 * })
 * ```
 */
export const cosign = (
  options: CosignOptions
): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError, Registry> => {
  const { annotations, format: chosen = "bundle" } = options
  return chosen === "tag" ? tagged(options) : attest({
    ...options,
    predicateType: formats.signPredicate,
    predicate: annotations === undefined ? {} : { annotations }
  })
}

/**
 * Makes an in-toto attestation about a manifest like `cosign attest --key`, and pushes it as a Sigstore bundle. Returns the
 * descriptor of the bundle's manifest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attest = (
  { key, predicate, predicateType, ...target }: AttestOptions
): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError, Registry> =>
  Effect.gen(function*() {
    const subject = yield* resolve(target)
    const payload = json({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: target.repository, digest: Object.fromEntries([subject.digest.split(":")]) }],
      predicateType,
      predicate
    })
    const signature = yield* sign(key, formats.preAuthentication(formats.inToto, payload))
    const bundle = json({
      mediaType: formats.bundleV03,
      verificationMaterial: { publicKey: { hint: "" }, tlogEntries: [] },
      dsseEnvelope: {
        payload: Encoding.encodeBase64(payload),
        payloadType: formats.inToto,
        signatures: [{ sig: Encoding.encodeBase64(signature) }]
      }
    })
    const layer = yield* pushBlob(target.repository, bundle, formats.bundleV03)
    return yield* pushReferrer(target.repository, subject, formats.bundleV03, layer, {
      "dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": predicateType
    })
  })

const tagged = (
  { annotations, identity, key, ...target }: CosignOptions
): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError, Registry> =>
  Effect.gen(function*() {
    const { repository } = target
    const subject = yield* resolve(target)
    const payload = json({
      critical: {
        identity: { "docker-reference": identity ?? repository },
        image: { "docker-manifest-digest": subject.digest },
        type: "cosign container image signature"
      },
      optional: annotations ?? null
    })
    const signature = yield* sign(key, payload)
    const layer: Descriptor.Descriptor = {
      ...yield* pushBlob(repository, payload, formats.simpleSigning),
      annotations: { [formats.signatureAnnotation]: Encoding.encodeBase64(signature) }
    }
    const tag = Tag.make(`${subject.digest.replace(":", "-")}.sig`)
    const layers = [...yield* signaturesUnder(repository, tag), layer]
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) }
    const config = yield* pushBlob(
      repository,
      json({ architecture: "", os: "", config: {}, rootfs, history: [] }),
      MediaType.imageConfig
    )
    const bytes = json({ schemaVersion: 2, mediaType: MediaType.image, config, layers })
    return yield* pushManifest(repository, bytes, [tag])
  })

/**
 * Signs a manifest like `notation sign`, and pushes the signature. Returns the descriptor of the signature's manifest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const notation = (
  { certificates, expiry, key, ...target }: NotationOptions
): Effect.Effect<Descriptor.Descriptor, RegistryError.RegistryError, Registry> =>
  Effect.gen(function*() {
    const { digest, mediaType, size } = yield* resolve(target)
    const { attribute } = format
    const imported = yield* importKey(key)
    const alg = format.algorithms[(imported.algorithm as EcKeyAlgorithm).namedCurve]
    if (alg === undefined) return yield* Effect.dieMessage("Sign.notation needs an ECDSA key")
    const header = json({
      alg,
      crit: expiry === undefined ? [attribute.scheme] : [attribute.scheme, attribute.expiry],
      cty: format.payloadType,
      [attribute.scheme]: format.scheme,
      [attribute.time]: (yield* DateTime.now).pipe(DateTime.formatIso),
      [attribute.expiry]: expiry?.toISOString()
    })
    const payload = Encoding.encodeBase64Url(json({ targetArtifact: { mediaType, digest, size } }))
    const protectedHeader = Encoding.encodeBase64Url(header)
    const message = new TextEncoder().encode(`${protectedHeader}.${payload}`)
    const x5c = certificates.match(/-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]*-----END CERTIFICATE-----/g) ?? []
    const envelope = json({
      payload,
      protected: protectedHeader,
      header: {
        x5c: x5c.map((pem) => Encoding.encodeBase64(keys.fromPem("CERTIFICATE", pem))),
        [attribute.agent]: "effect-oci"
      },
      signature: Encoding.encodeBase64Url(yield* Effect.promise(() => keys.sign(imported, message, { raw: true })))
    })
    const layer = yield* pushBlob(target.repository, envelope, format.envelopeType)
    return yield* pushReferrer(target.repository, { digest, mediaType, size }, format.artifactType, layer, {})
  })

/** Returns the signatures that exist under a tag of cosign: all signatures of a manifest are layers of one manifest. */
const signaturesUnder = (repository: RepositoryName.RepositoryName, tag: Tag.Tag) =>
  Effect.flatMap(Registry, (registry) => registry.getManifest(repository, tag)).pipe(
    Effect.map(({ bytes, descriptor: { mediaType } }) => {
      const document = Either.getOrUndefined(Manifest.parse({ mediaType, bytes }))
      return document?._tag === "Image" ? document.layers : []
    }),
    Effect.catchIf(RegistryError.isNotFound, () => Effect.succeed<ReadonlyArray<Descriptor.Descriptor>>([]))
  )

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const resolve = ({ reference, repository }: Omit<Options, "key">) =>
  Effect.flatMap(Registry, (registry) => registry.resolveManifest(repository, reference))

const importKey = (key: PrivateKey): Effect.Effect<CryptoKey> =>
  Effect.promise(async () =>
    Redacted.isRedacted(key)
      ? (await keys.importKey("pkcs8", keys.fromPem("PRIVATE KEY", Redacted.value(key))))[0]![0]
      : key
  )

const sign = (key: PrivateKey, message: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.flatMap(importKey(key), (imported) => Effect.promise(() => keys.sign(imported, message)))

const pushBlob = (repository: RepositoryName.RepositoryName, bytes: Uint8Array, mediaType: string) =>
  Effect.flatMap(Registry, (registry) => {
    const body = Body.hashed(bytes)
    const descriptor = Descriptor.fromBody(body, mediaType)
    return Effect.as(registry.pushBlob(repository, descriptor, body), descriptor)
  })

const pushManifest = (repository: RepositoryName.RepositoryName, bytes: Uint8Array, tags: ReadonlyArray<Tag.Tag>) =>
  Effect.flatMap(Registry, (registry) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags }))

const pushReferrer = (
  repository: RepositoryName.RepositoryName,
  { digest, mediaType, size }: Descriptor.Descriptor,
  artifactType: string,
  layer: Descriptor.Descriptor,
  annotations: { readonly [key: string]: string }
) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(repository, json({}), MediaType.empty)
    const subject = { mediaType, digest, size }
    const bytes = json({
      schemaVersion: 2,
      mediaType: MediaType.image,
      artifactType,
      config,
      layers: [layer],
      subject,
      annotations
    })
    return yield* pushManifest(repository, bytes, [])
  })
