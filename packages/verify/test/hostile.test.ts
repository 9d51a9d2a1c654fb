/** A client that may push to a repository chooses what a gateway reads. The gateway never breaks, hangs, or accepts it. */
import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { Attestation, Cosign, Policy, Sbom, Signer } from "../src/index.js"
import * as NodeNotation from "../src/NodeNotation.js"
import * as NodeSigstore from "../src/NodeSigstore.js"
import * as certificates from "./fixtures/certificates.js"
import * as identity from "./fixtures/identity.js"
import * as images from "./images.js"

const { repository } = images

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
const notationType = "application/vnd.cncf.notary.signature"

/** Replaces one value in a document by another. */
const mutated = (document: unknown): fc.Arbitrary<unknown> => {
  const paths: Array<ReadonlyArray<string>> = []
  const walk = (value: unknown, path: ReadonlyArray<string>) => {
    paths.push(path)
    if (typeof value === "object" && value !== null) {
      for (const [key, child] of Object.entries(value)) walk(child, [...path, key])
    }
  }
  walk(document, [])
  const replace = (value: unknown, [key, ...rest]: ReadonlyArray<string>, by: unknown): unknown => {
    if (key === undefined) return by
    const copy = (Array.isArray(value) ? [...value as Array<unknown>] : { ...value as object }) as {
      [key: string]: unknown
    }
    copy[key] = replace(copy[key], rest, by)
    return copy
  }
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom("", "AAAA", "é", "-1", "9".repeat(400), [], {}, null, undefined, { __proto__: null })
  )
  return fc.tuple(fc.constantFrom(...paths), values).map(([path, value]) => replace(document, path, value))
}

const statement = { _type: "https://in-toto.io/Statement/v1", subject: [], predicateType: "x", predicate: {} }
const envelope = {
  payloadType: "application/vnd.in-toto+json",
  payload: Buffer.from(JSON.stringify(statement)).toString("base64"),
  signatures: [{ sig: "AAAA" }]
}
const notation = {
  payload: "e30",
  protected: "e30",
  header: { x5c: [certificates.release.replace(/-----[^-]+-----|\s/g, "")] },
  signature: "AAAA"
}

const documents: fc.Arbitrary<readonly [mediaType: string, artifactType: string, content: Uint8Array]> = fc.oneof(
  fc.tuple(
    fc.constant(bundleType),
    fc.constant(bundleType),
    fc.oneof(mutated(identity.signature), mutated({ mediaType: bundleType, dsseEnvelope: envelope })).map(images.json)
  ),
  fc.tuple(
    fc.constant("application/vnd.dsse.envelope.v1+json"),
    fc.constant("application/vnd.dsse.envelope.v1+json"),
    mutated(envelope).map(images.json)
  ),
  fc.tuple(fc.constant("application/jose+json"), fc.constant(notationType), mutated(notation).map(images.json)),
  fc.tuple(
    fc.constantFrom(bundleType, "application/jose+json"),
    fc.constantFrom(bundleType, notationType),
    fc.uint8Array({ maxLength: 200 })
  ),
  fc.tuple(fc.constant(bundleType), fc.constant(bundleType), fc.constant(new TextEncoder().encode("[".repeat(100_000))))
)

const by = NodeSigstore.signer({
  issuer: identity.issuer,
  subject: identity.identity,
  trustedRoot: identity.trustedRoot
})

const annotations = fc.dictionary(
  fc.constantFrom(
    "dev.cosignproject.cosign/signature",
    "dev.sigstore.cosign/certificate",
    "dev.sigstore.cosign/bundle"
  ),
  fc.oneof(fc.string(), fc.constantFrom(...Object.values(identity.simple.annotations)), fc.json())
)

const payloads = fc.oneof(
  mutated(JSON.parse(identity.simple.payload)).map(images.json),
  fc.uint8Array({ maxLength: 50 })
)

const requirements = [
  Cosign.key(images.busybox.publicKey),
  Cosign.signed(by),
  Attestation.predicate({ type: "x", by: Signer.key(images.busybox.publicKey) }),
  Attestation.predicate({ type: "x", by }),
  NodeNotation.trustStore({ certificates: [certificates.authority], trustedIdentities: "any" }),
  Sbom.present()
]

it("rejects what is attached, and never dies", () =>
  fc.assert(
    fc.asyncProperty(fc.array(documents, { maxLength: 3 }), annotations, payloads, (attached, notes, payload) =>
      Effect.gen(function*() {
        const registry = yield* Registry
        const descriptor = yield* images.image("one")
        for (const [mediaType, artifactType, content] of attached) {
          yield* images.attach(content, mediaType, { subject: descriptor, artifactType })
        }
        const simple = "application/vnd.dev.cosign.simplesigning.v1+json"
        yield* images.attach(payload, simple, { tag: images.cosignTag(descriptor.digest) }, notes)
        for (const requirement of requirements) {
          const policy = { name: "x", require: [requirement] }
          const verdict = yield* Policy.verify({ registry, repository, descriptor }, policy)
          expect(verdict.allowed).toBe(false)
          expect(Policy.explain(verdict).length).toBeLessThan(4000)
        }
      }).pipe(Effect.provide(Memory.layer()), Effect.runPromise)),
    { numRuns: 40, interruptAfterTimeLimit: 20_000, endOnFailure: true }
  ))
