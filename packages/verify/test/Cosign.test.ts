import { Digest, MediaType, Registry } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Requirement } from "../src/index.js"
import { Attestation, Cosign, Policy, Sbom, Sign, Signer } from "../src/index.js"
import * as images from "./images.js"

const { busybox, dangerzone, repository } = images

const simple = "application/vnd.dev.cosign.simplesigning.v1+json"
const bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

const verdict = (descriptor: Descriptor.Descriptor, ...require: ReadonlyArray<Requirement.Requirement>) =>
  Effect.flatMap(
    Registry,
    (registry) => Policy.verify({ registry, repository, descriptor }, { name: "signed", require })
  )

const explained = (descriptor: Descriptor.Descriptor, ...require: ReadonlyArray<Requirement.Requirement>) =>
  Effect.map(verdict(descriptor, ...require), Policy.explain)

/** The signed manifest, whose content is not known. */
const subjectOf = ({ digest }: { readonly digest: string }): Descriptor.Descriptor => ({
  mediaType: MediaType.image,
  digest: Digest.make(digest),
  size: 500
})

const attachSimple = (vector: images.Vector, change: Partial<images.Vector> = {}) => {
  const { digest, signature, ...rest } = { ...vector, ...change }
  return images.attach(images.payload({ digest, ...rest }), simple, {
    tag: images.cosignTag(Digest.make(vector.digest))
  }, {
    "dev.cosignproject.cosign/signature": signature
  })
}

const run = <A, E>(effect: Effect.Effect<A, E, Registry>) => Effect.provide(effect, Memory.layer())

describe("Cosign", () => {
  it.effect.each([dangerzone, busybox])(
    "accepts a signature that cosign made for $reference",
    (vector) =>
      Effect.gen(function*() {
        yield* attachSimple(vector)
        const { allowed } = yield* verdict(
          subjectOf(vector),
          Cosign.key(vector.publicKey, { reference: vector.reference })
        )
        expect(allowed).toBe(true)
      }).pipe(run)
  )

  const tampered = busybox.signature.replace("MEUCIQD6q", "MEUCIQD6r")
  const other = `sha256:${"a".repeat(64)}`
  it.effect.each<
    { name: string; change: Partial<images.Vector>; options?: Cosign.Options; key?: string; problem: string }
  >([
    { name: "a tampered signature", change: { signature: tampered }, problem: "no valid signature by the key SHA256:" },
    { name: "a signature that is not DER", change: { signature: "AAAA" }, problem: "no valid signature" },
    { name: "a signature that is not base64", change: { signature: "!" }, problem: "malformed: the base64" },
    { name: "a tampered payload", change: { reference: "evil.example/busybox" }, problem: "no valid signature" },
    { name: "a signature of another digest", change: { digest: other }, problem: `is a signature of "${other}"` },
    { name: "another key", change: {}, key: dangerzone.publicKey, problem: "no valid signature" },
    { name: "another reference", change: {}, options: { reference: "x" }, problem: "signature of another reference" },
    { name: "a missing annotation", change: {}, options: { annotations: { a: "b" } }, problem: "annotation a=b" }
  ])("rejects $name", ({ change, key = busybox.publicKey, options, problem }) =>
    Effect.gen(function*() {
      yield* attachSimple(busybox, change)
      const text = yield* explained(subjectOf(busybox), Cosign.key(key, options))
      expect(text).toContain(problem)
      expect(text).toContain(`the policy "signed" is not satisfied: it requires a signature by the key SHA256:`)
      expect(text).toContain(images.cosignTag(Digest.make(busybox.digest)))
    }).pipe(run))

  it.effect("says that nothing was found", () =>
    Effect.gen(function*() {
      expect(yield* explained(subjectOf(busybox), Cosign.key(busybox.publicKey))).toMatch(/, and found nothing$/)
    }).pipe(run))

  it.effect("finds one valid signature among others under the same tag, and accepts any of several keys", () =>
    Effect.gen(function*() {
      const subject = yield* images.image("one", "v1")
      const [first, second, third] = yield* Effect.all([Sign.keyPair, Sign.keyPair, Sign.keyPair])
      const sign = { repository, reference: subject.digest, format: "tag" as const }
      yield* Sign.cosign({ ...sign, key: first.privateKey, annotations: { env: "test" } })
      yield* Sign.cosign({ ...sign, key: second.privateKey })
      const allowed = (...require: ReadonlyArray<Requirement.Requirement>) =>
        Effect.map(verdict(subject, ...require), (result) => result.allowed)
      expect(yield* allowed(Cosign.key(first.publicKey), Cosign.key(second.publicKey))).toBe(true)
      expect(yield* allowed(Cosign.key(first.publicKey, { annotations: { env: "test" } }))).toBe(true)
      expect(yield* allowed(Cosign.key(second.publicKey, { annotations: { env: "test" } }))).toBe(false)
      expect(yield* allowed(Cosign.key(third.publicKey))).toBe(false)
    }).pipe(run))

  it.effect("accepts a bundle by cosign 3, and no attestation as a signature", () =>
    Effect.gen(function*() {
      const subject = yield* images.image("one", "v1")
      const { privateKey, publicKey } = yield* Sign.keyPair
      const scan = {
        repository,
        reference: subject.digest,
        key: privateKey,
        predicateType: "scan",
        predicate: { ok: false }
      }
      yield* Sign.attest(scan)
      expect(yield* explained(subject, Cosign.key(publicKey))).toContain(`is an attestation of the type "scan"`)
      yield* Sign.cosign({ repository, reference: subject.digest, key: privateKey, annotations: { env: "test" } })
      expect(yield* explained(subject, Cosign.key(publicKey, { annotations: { env: "test" } }))).toContain(
        "is satisfied"
      )
      const another = yield* images.image("another", "v2")
      expect((yield* verdict(another, Cosign.key(publicKey))).allowed).toBe(false)
    }).pipe(run))

  it.effect("rejects a bundle for another manifest, with two contents, or of an unknown format", () =>
    Effect.gen(function*() {
      const { privateKey, publicKey } = yield* Sign.keyPair
      const signed = yield* images.image("signed")
      const pushed = yield* Sign.cosign({ repository, reference: signed.digest, key: privateKey })
      const registry = yield* Registry
      const layer = JSON.parse(new TextDecoder().decode((yield* registry.getManifest(repository, pushed.digest)).bytes))
      const blob = yield* Effect.scoped(
        Effect.flatMap(
          registry.getBlob(repository, layer.layers[0].digest as Digest.Digest),
          ({ body }) => Effect.succeed(body.bytes!)
        )
      )
      const problems = (content: Uint8Array, mediaType = bundle) =>
        Effect.gen(function*() {
          const subject = yield* images.image(String(content.byteLength) + mediaType)
          yield* images.attach(content, mediaType, { subject })
          return yield* explained(subject, Cosign.key(publicKey))
        })
      expect(yield* problems(blob)).toContain("is a statement about another manifest")
      const parsed = JSON.parse(new TextDecoder().decode(blob)) as object
      expect(yield* problems(images.json({ ...parsed, messageSignature: { signature: "AA==" } }))).toContain(
        "two contents"
      )
      expect(yield* problems(images.json({ mediaType: bundle }))).toContain("a bundle without a signature")
      expect(yield* problems(images.json([]))).toContain("not a Sigstore bundle")
      expect(yield* problems(Uint8Array.of(0xff))).toContain("not UTF-8")
      expect(yield* problems(images.json({}), "application/jose+json")).toContain("found nothing")
    }).pipe(run))

  it.effect.each(["P-256", "P-384", "P-521", "RSA", "Ed25519"])(
    "verifies signatures by %s",
    (name) =>
      Effect.gen(function*() {
        const pair = yield* Effect.promise(async () => {
          const algorithm = name === "RSA"
            ? {
              name: "RSASSA-PKCS1-v1_5",
              modulusLength: 2048,
              publicExponent: Uint8Array.of(1, 0, 1),
              hash: "SHA-256"
            }
            : name === "Ed25519"
            ? { name }
            : { name: "ECDSA", namedCurve: name }
          const made = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair
          const pem = async (format: "spki" | "pkcs8", key: CryptoKey, label: string) =>
            `-----BEGIN ${label}-----\n${
              Buffer.from(await crypto.subtle.exportKey(format, key)).toString("base64")
            }\n-----END ${label}-----\n`
          return {
            made,
            publicKey: await pem("spki", made.publicKey, "PUBLIC KEY"),
            privateKey: Redacted.make(await pem("pkcs8", made.privateKey, "PRIVATE KEY"))
          }
        })
        const subject = yield* images.image(name)
        yield* Sign.cosign({ repository, reference: subject.digest, key: pair.privateKey })
        yield* Sign.cosign({ repository, reference: subject.digest, key: pair.made.privateKey, format: "tag" })
        expect((yield* verdict(subject, Cosign.key(pair.publicKey))).allowed).toBe(true)
        expect((yield* verdict(subject, Cosign.key(pair.made.publicKey, { name: "release" }))).allowed).toBe(true)
        expect(yield* explained(subject, Cosign.key(busybox.publicKey))).toContain("no valid signature")
      }).pipe(run)
  )

  it("throws for a text that is not a public key", () => {
    expect(() => Cosign.key("secret")).toThrow(`cannot read the public key: it is not PEM with the label "PUBLIC KEY"`)
  })
})

describe("Attestation", () => {
  const type = "https://slsa.dev/provenance/v1"

  it.effect("accepts a predicate that satisfies the condition, as a bundle and under a tag", () =>
    Effect.gen(function*() {
      const { privateKey, publicKey } = yield* Sign.keyPair
      const subject = yield* images.image("one")
      const predicate = { builder: { id: "https://ci.example.com" } }
      yield* Sign.attest({ repository, reference: subject.digest, key: privateKey, predicateType: type, predicate })
      const by = Signer.key(publicKey)
      const satisfies = (id: string) => (found: unknown) => (found as typeof predicate).builder.id === id
      const problem = (options: Partial<Attestation.Options>) =>
        explained(subject, Attestation.predicate({ type, by, ...options }))
      expect(yield* problem({ satisfies: satisfies("https://ci.example.com") })).toContain("is satisfied")
      expect(yield* problem({ satisfies: satisfies("https://evil.example") })).toContain("does not satisfy the policy")
      expect(yield* problem({ satisfies: () => (undefined as unknown as { x: boolean }).x })).toContain("is malformed")
      expect(yield* problem({ type: "other" })).toContain(`is an attestation of the type "${type}"`)
      expect(yield* problem({ by: Signer.key(busybox.publicKey) })).toContain("no valid signature")
    }).pipe(run))

  it.effect("does not accept a signature as an attestation", () =>
    Effect.gen(function*() {
      const { privateKey, publicKey } = yield* Sign.keyPair
      const subject = yield* images.image("one")
      yield* Sign.cosign({ repository, reference: subject.digest, key: privateKey })
      const requirement = Attestation.predicate({ type, by: Signer.key(publicKey) })
      expect((yield* verdict(subject, requirement)).allowed).toBe(false)
    }).pipe(run))
})

describe("Sbom", () => {
  it.effect("accepts an SBOM as a referrer or under a tag", () =>
    Effect.gen(function*() {
      const [one, two, three] = yield* Effect.all([images.image("one"), images.image("two"), images.image("three")])
      yield* images.attach(images.json({}), "application/spdx+json", { subject: one })
      yield* images.attach(images.json({}), "text/spdx+json", { tag: images.cosignTag(two.digest, "sbom") })
      yield* images.attach(images.json({}), "text/plain", { tag: images.cosignTag(three.digest, "sbom") })
      expect(yield* explained(one, Sbom.present())).toContain("is satisfied")
      expect(yield* explained(two, Sbom.present())).toContain("is satisfied")
      expect(yield* explained(three, Sbom.present())).toContain("has no layer of the types application/spdx+json")
    }).pipe(run))
})
