/**
 * Requires a signature by [cosign](https://docs.sigstore.dev/cosign/signing/overview/), in each of its formats: signatures
 * under tags (`sha256-<hex>.sig`), and Sigstore bundles as referrers, which are the default of cosign 3.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as formats from "./internal/bundle.js"
import type { Requirement } from "./Requirement.js"
import { ofLayers } from "./Requirement.js"
import * as Signer from "./Signer.js"

/**
 * Options for {@link signed}: what the signature must say, beside the digest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The value of `docker-reference` in the payload of a signature under a tag: the repository that was signed. Default:
   * not checked, as in cosign, because images move between registries. A bundle contains no reference.
   */
  readonly reference?: string | undefined
  /**
   * The annotations that the signature must contain (`cosign sign -a env=prod`). Signatures as statements keep them in the
   * predicate. Default: none.
   */
  readonly annotations?: { readonly [key: string]: string } | undefined
}

/**
 * Creates a requirement: the manifest is signed by a signer. An attestation is not a signature, even if the signer made
 * it, because it may say something bad.
 *
 * @since 0.1.0
 * @category constructors
 */
export const signed = (signer: Signer.Signer, options: Options = {}): Requirement =>
  ofLayers({
    description: `a signature by ${signer.name}`,
    kinds: { artifactTypes: [...formats.bundles, "application/vnd.dev.cosign.artifact.sig.v1+json"], endings: ["sig"] },
    mediaTypes: [formats.simpleSigning, ...formats.bundles],
    examine: ({ bytes, descriptor, evidence: { content, subject } }) =>
      Effect.gen(function*() {
        if (descriptor.mediaType === formats.simpleSigning) {
          const simple = yield* formats.fromSimple(bytes, subject, descriptor)
          if (options.reference !== undefined && simple.identity !== options.reference) {
            return yield* formats.rejected(`is a signature of another reference: ${quoted(simple.identity)}`)
          }
          yield* checkAnnotations(simple.annotations, options)
          return yield* signer.verify(simple.signed)
        }
        const bundle = yield* formats.fromBundle(bytes, subject, content)
        if (!("predicateType" in bundle)) {
          yield* checkAnnotations({}, options)
          return yield* signer.verify(bundle)
        }
        if (bundle.predicateType !== formats.signPredicate) {
          return yield* formats.rejected(
            `is an attestation of the type ${quoted(bundle.predicateType)}, not a signature`
          )
        }
        yield* checkAnnotations(annotationsOf(bundle.predicate), options)
        return yield* signer.verify(bundle.signed)
      })
  })

const quoted = (text: string | undefined): string => JSON.stringify(text?.slice(0, 80) ?? null)

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null

const annotationsOf = (predicate: unknown): { readonly [key: string]: unknown } => {
  const annotations = isRecord(predicate) ? predicate["annotations"] : undefined
  return isRecord(annotations) ? annotations : {}
}

const checkAnnotations = (found: { readonly [key: string]: unknown }, { annotations = {} }: Options) => {
  const wrong = Object.keys(annotations).find((name) =>
    !Object.hasOwn(found, name) || found[name] !== annotations[name]
  )
  return wrong === undefined
    ? Effect.void
    : formats.rejected(`has not the required annotation ${wrong}=${annotations[wrong]}`)
}

/**
 * Creates a requirement: the manifest is signed by a key, `cosign sign --key cosign.key`. The key is a public key in PEM
 * (`cosign.pub`), or a `CryptoKey`.
 *
 * @since 0.1.0
 * @category constructors
 * @throws TypeError if the text is not a public key in PEM
 * @example
 * ```ts
 * import { Cosign } from "@effect-oci/verify"
 *
 * const signed = Cosign.key(
 *   "-----BEGIN PUBLIC KEY-----\n" +
 *     "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3CUlnwh825Z5wQAJV6TekEi6bCK2\n" +
 *     "YvAg7A+aeerM5hvc4CCCJFBae5AjnsjGHv4V/3xzssck6e51W+b0jU4qVw==\n" +
 *     "-----END PUBLIC KEY-----"
 * )
 * ```
 */
export const key = (
  publicKey: string | CryptoKey,
  options?: Options & { readonly name?: string | undefined }
): Requirement => signed(Signer.key(publicKey, options), options)
