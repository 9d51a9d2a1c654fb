import type { Descriptor } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Encoding, Redacted, TestClock } from "effect"
import { Policy, Sign } from "../src/index.js"
import * as NodeNotation from "../src/NodeNotation.js"
import * as fixtures from "./fixtures/certificates.js"
import * as images from "./images.js"

const { repository } = images
const envelopeType = "application/jose+json"
const artifactType = "application/vnd.cncf.notary.signature"

const trusted: NodeNotation.Options = {
  certificates: [fixtures.authority],
  trustedIdentities: [{ C: "US", ST: "WA", O: "example" }]
}

const explained = (descriptor: Descriptor.Descriptor, options: Partial<NodeNotation.Options> = {}) =>
  Effect.flatMap(Registry, (registry) =>
    Effect.map(
      Policy.verify({ registry, repository, descriptor }, {
        name: "signed",
        require: [NodeNotation.trustStore({ ...trusted, ...options })]
      }),
      Policy.explain
    ))

const sign = (subject: Descriptor.Descriptor, certificates: string, expiry?: Date) =>
  Sign.notation({
    repository,
    reference: subject.digest,
    key: Redacted.make(fixtures.key),
    certificates: `${certificates}${fixtures.authority}`,
    expiry
  })

const year = (of: number) => new Date(Date.UTC(of, 0, 1))

/** Runs an effect in a year. The clock is set before the registry exists, whose timers would ring for all years before. */
const runIn = (of: number) => <A, E>(effect: Effect.Effect<A, E, Registry>) =>
  Effect.zipRight(TestClock.setTime(year(of)), Effect.provide(effect, Memory.layer()))

const run = runIn(2026)

/** Reads the envelope of a signature, and pushes a changed one for the same subject. */
const change = (
  subject: Descriptor.Descriptor,
  signature: Descriptor.Descriptor,
  edit: (envelope: { payload: string; protected: string; signature: string; header: { x5c: Array<string> } }) => unknown
) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const { bytes } = yield* registry.getManifest(repository, signature.digest)
    const { layers } = JSON.parse(new TextDecoder().decode(bytes)) as { layers: ReadonlyArray<Descriptor.Descriptor> }
    const blob = yield* Effect.scoped(
      Effect.map(registry.getBlob(repository, layers[0]!.digest), ({ body }) => body.bytes!)
    )
    yield* registry.deleteManifest(repository, signature.digest)
    const envelope = JSON.parse(new TextDecoder().decode(blob)) as Parameters<typeof edit>[0]
    edit(envelope)
    yield* images.attach(images.json(envelope), envelopeType, { subject, artifactType })
  })

/** Changes one field of a part of an envelope. */
const withField = (part: string, field: string, value: unknown): string => {
  const decoded = JSON.parse(Buffer.from(part, "base64url").toString()) as object
  return Encoding.encodeBase64Url(JSON.stringify({ ...decoded, [field]: value }))
}

describe("NodeNotation", () => {
  it.effect("accepts a signature with a certificate by a trusted authority, and by a trusted identity", () =>
    Effect.gen(function*() {
      const subject = yield* images.image("one")
      yield* sign(subject, fixtures.release, year(2030))
      expect(yield* explained(subject)).toContain("is satisfied: a signature of Notation by C=US, ST=WA, O=example")
      expect(yield* explained(subject, { trustedIdentities: "any" })).toContain("is satisfied")
      expect(yield* explained(subject, { certificates: [fixtures.release] })).toContain("is satisfied")
      const wrong = yield* explained(subject, {
        trustedIdentities: [{ O: "other" }, { O: "example", CN: "nightly" }, {}]
      })
      expect(wrong).toContain("is by C=US, ST=WA, O=example, CN=release, who is not trusted")
    }).pipe(run))

  it.effect("rejects an expired signature and an expired certificate, and verifies at a given time", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([images.image("one"), images.image("two")])
      yield* sign(one, fixtures.release, year(2027))
      yield* sign(two, fixtures.expired)
      expect(yield* explained(one)).toContain("expired at 2027-01-01")
      expect(yield* explained(one, { at: year(2026) })).toContain("is satisfied")
      expect(yield* explained(two)).toMatch(/the certificate of .*CN=release expired at Jan  1 00:00:00 2030/)
      expect(yield* explained(two, { at: year(2019) })).toContain("is not valid before Jan  1 00:00:00 2020")
      expect(yield* explained(two, { at: year(2026) })).toContain("is satisfied")
    }).pipe(runIn(2031)))

  it.effect("bounds the verdict by the expiry of the signature and of the certificates", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([images.image("one"), images.image("two")])
      yield* sign(one, fixtures.release, year(2027))
      yield* sign(two, fixtures.expired)
      const registry = yield* Registry
      const until = (descriptor: Descriptor.Descriptor) =>
        Effect.map(
          Policy.verify({ registry, repository, descriptor }, {
            name: "x",
            require: [NodeNotation.trustStore(trusted)]
          }),
          ({ validUntil }) => validUntil
        )
      expect(yield* until(one)).toBe(year(2027).getTime())
      expect(yield* until(two)).toBe(year(2030).getTime())
    }).pipe(run))

  it.effect("rejects a certificate by another authority of the same name, and one for servers", () =>
    Effect.gen(function*() {
      const [one, two, three] = yield* Effect.all([images.image("one"), images.image("two"), images.image("three")])
      yield* sign(one, fixtures.foreign)
      yield* sign(two, fixtures.server)
      yield* sign(three, fixtures.foreign + fixtures.foreignAuthority)
      expect(yield* explained(one)).toContain("is not issued by C=US, ST=WA, O=example, CN=authority")
      expect(yield* explained(two)).toContain("is not for code signing")
      expect(yield* explained(three)).toContain("is not trusted")
      expect(yield* explained(three, { certificates: [fixtures.foreignAuthority] })).toContain("is satisfied")
    }).pipe(run))

  it.effect.each<[name: string, edit: Parameters<typeof change>[2], problem: string]>([
    ["a tampered payload", (e) => e.payload = withField(e.payload, "x", 1), "has no valid signature"],
    [
      "a tampered header",
      (e) => e.protected = withField(e.protected, "io.cncf.notary.expiry", "2040"),
      "no valid signature"
    ],
    [
      "a tampered signature",
      (e) => e.signature = e.signature.replace(/^./, (c) => c === "A" ? "B" : "A"),
      "no valid signature"
    ],
    ["another algorithm", (e) => e.protected = withField(e.protected, "alg", "none"), "no valid signature"],
    ["no certificates", (e) => e.header.x5c = [], "is malformed"],
    ["a chain without the authority", (e) => e.header.x5c.pop(), "is not issued by a trusted authority"],
    ["an authority as the signer", (e) => e.header.x5c.shift(), "is that of a certificate authority"],
    ["a certificate that is none", (e) => e.header.x5c = ["AAAA"], "is malformed: a certificate"],
    ["a very long chain", (e) => e.header.x5c = Array.from({ length: 11 }, () => e.header.x5c[0]!), "more than 10"],
    ["a payload that is not base64", (e) => e.payload = "!", "has no valid signature"]
  ])("rejects %s", ([, edit, problem]) =>
    Effect.gen(function*() {
      const subject = yield* images.image("one")
      const signature = yield* sign(subject, fixtures.release)
      yield* change(subject, signature, edit)
      expect(yield* explained(subject)).toContain(problem)
    }).pipe(run))

  it.effect("rejects a signature of another manifest", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([images.image("one"), images.image("two")])
      const signature = yield* sign(one, fixtures.release)
      yield* change(two, signature, () => undefined)
      expect(yield* explained(two)).toContain(`is a signature of "${one.digest}"`)
    }).pipe(run))

  it("throws if there are no certificates", () => {
    expect(() => NodeNotation.trustStore({ ...trusted, certificates: ["none"] })).toThrow(
      "contains no certificate in PEM"
    )
  })
})
