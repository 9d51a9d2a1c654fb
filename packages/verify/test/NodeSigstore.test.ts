import type { Descriptor } from "@effect-oci/core"
import { MediaType, Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Requirement } from "../src/index.js"
import { Attestation, Policy } from "../src/index.js"
import * as NodeSigstore from "../src/NodeSigstore.js"
import * as fixture from "./fixtures/identity.js"
import * as images from "./images.js"

const { repository } = images
const bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

const identity: NodeSigstore.Identity = {
  issuer: fixture.issuer,
  subject: fixture.identity,
  trustedRoot: fixture.trustedRoot
}

const subject = Effect.flatMap(Registry, (registry) =>
  registry.pushManifest(repository, {
    mediaType: MediaType.index,
    bytes: new TextEncoder().encode(fixture.subject),
    tags: []
  }))

const explained = (descriptor: Descriptor.Descriptor, requirement: Requirement.Requirement) =>
  Effect.flatMap(Registry, (registry) =>
    Effect.map(
      Policy.verify({ registry, repository, descriptor }, { name: "signed", require: [requirement] }),
      Policy.explain
    ))

const run = <A, E>(effect: Effect.Effect<A, E, Registry>) => Effect.provide(effect, Memory.layer())

const attachSimple = (descriptor: Descriptor.Descriptor, annotations: { readonly [name: string]: string }) =>
  images.attach(
    new TextEncoder().encode(fixture.simple.payload),
    "application/vnd.dev.cosign.simplesigning.v1+json",
    { tag: images.cosignTag(descriptor.digest) },
    annotations
  )

describe("NodeSigstore", () => {
  it.effect("accepts a signature by an identity, as a bundle and under a tag", () =>
    Effect.gen(function*() {
      const descriptor = yield* subject
      yield* images.attach(images.json(fixture.signature), bundle, { subject: descriptor })
      expect(yield* explained(descriptor, NodeSigstore.identity(identity))).toContain("is satisfied")
      const pattern = /^https:\/\/github\.com\/team\/.*@refs\/heads\/main$/g
      const requirement = NodeSigstore.identity({ ...identity, subject: pattern })
      expect(yield* explained(descriptor, requirement)).toContain("is satisfied")
      expect(yield* explained(descriptor, requirement)).toContain("is satisfied")
    }).pipe(run))

  it.effect("accepts a signature under a tag of cosign 2", () =>
    Effect.gen(function*() {
      const descriptor = yield* subject
      yield* attachSimple(descriptor, fixture.simple.annotations)
      expect(yield* explained(descriptor, NodeSigstore.identity(identity))).toContain("is satisfied")
    }).pipe(run))

  it.effect("accepts an attestation by an identity", () =>
    Effect.gen(function*() {
      const descriptor = yield* subject
      yield* images.attach(images.json(fixture.attestation), bundle, { subject: descriptor })
      const by = NodeSigstore.signer(identity)
      const type = "https://slsa.dev/provenance/v1"
      expect(yield* explained(descriptor, Attestation.predicate({ type, by }))).toContain("is satisfied")
      expect(yield* explained(descriptor, NodeSigstore.identity(identity))).toContain("not a signature")
    }).pipe(run))

  const { signature } = fixture
  const material = signature.verificationMaterial
  const emptyRoot = { ...fixture.trustedRoot, certificateAuthorities: [] }
  const withoutLog = { ...fixture.trustedRoot, tlogs: [] }
  const sig = fixture.attestation.dsseEnvelope.signatures

  it.effect.each<{ name: string; content?: unknown; options?: Partial<NodeSigstore.Identity>; problem: string }>([
    {
      name: "another subject",
      options: { subject: "https://github.com/team/app" },
      problem: "it is by https://github.com/team/app/"
    },
    { name: "another issuer", options: { issuer: "https://gitlab.com" }, problem: `of ${fixture.issuer}` },
    { name: "an unknown authority", options: { trustedRoot: emptyRoot }, problem: "certificate" },
    { name: "an unknown transparency log", options: { trustedRoot: withoutLog }, problem: "no valid signature" },
    {
      name: "a certificate that had expired when it signed",
      content: fixture.late,
      problem: "certificate is not valid or expired"
    },
    {
      name: "no entry in a log",
      content: { ...signature, verificationMaterial: { ...material, tlogEntries: [] } },
      problem: "expected 1"
    },
    {
      name: "a key instead of a certificate",
      content: {
        ...signature,
        verificationMaterial: { ...material, certificate: undefined, publicKey: { hint: "x" } }
      },
      problem: "no valid signature"
    },
    {
      name: "a tampered signature",
      content: { ...signature, dsseEnvelope: { ...signature.dsseEnvelope, signatures: sig } },
      problem: "no valid signature"
    }
  ])("rejects $name", ({ content = signature, options, problem }) =>
    Effect.gen(function*() {
      const descriptor = yield* subject
      yield* images.attach(images.json(content), bundle, { subject: descriptor })
      const text = yield* explained(descriptor, NodeSigstore.identity({ ...identity, ...options }))
      expect(text).toContain("has no valid signature by the identity")
      expect(text).toContain(problem)
    }).pipe(run))

  it.effect("rejects a signature under a tag without its certificate or log entry, or with those of another", () =>
    Effect.gen(function*() {
      const { annotations } = fixture.simple
      const names = ["dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle"] as const
      const descriptor = yield* subject
      for (const name of names) {
        for (const value of ["", annotations[name].slice(0, -20)]) {
          yield* attachSimple(descriptor, { ...annotations, [name]: value })
          expect(yield* explained(descriptor, NodeSigstore.identity(identity))).toContain("has no valid signature")
        }
      }
    }).pipe(run))
})
