import { Body } from "@effect-oci/core"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as Reference from "@effect-oci/core/Reference"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import * as Arbitraries from "../src/Arbitraries.js"

const bytesOf = (body: Body.Body) =>
  Body.toBytes(body, { limit: 1024, onLimit: () => new RegistryError.SizeInvalid({}) })

const sample = <A>(arbitrary: fc.Arbitrary<A>, size = 300) => fc.sample(arbitrary, { numRuns: size, seed: 1 })

/** Returns for each field whether it is present, absent and `undefined` in some of the values. */
const presence = (values: ReadonlyArray<object>) => {
  const fields = new Set(values.flatMap((value) => Object.keys(value)))
  return Array.from(fields, (field) => ({
    field,
    present: values.some((value) => (value as Record<string, unknown>)[field] !== undefined),
    absent: values.some((value) => !(field in value)),
    undefined: values.some((value) => field in value && (value as Record<string, unknown>)[field] === undefined)
  }))
}

/** The optional fields of each operation. A missing or superfluous field does not compile. */
type OptionalField<O> = { [K in keyof O]-?: undefined extends O[K] ? K : never }[keyof O]
const optionalFields: {
  readonly [Tag in Operation.OperationTag]: { readonly [Field in OptionalField<Operation.OperationOf<Tag>>]: true }
} = {
  ResolveBlob: {},
  GetBlob: { range: true },
  ResolveManifest: {},
  GetManifest: {},
  PushBlob: {},
  MountBlob: { from: true },
  StartUpload: { algorithm: true },
  GetUpload: {},
  AppendUpload: { offset: true },
  CompleteUpload: { offset: true, body: true },
  CancelUpload: {},
  PushManifest: { digest: true, ifAbsent: true, ifMatch: true },
  DeleteBlob: {},
  DeleteManifest: {},
  DeleteTag: {},
  ListRepositories: { last: true, limit: true },
  ListTags: { last: true, limit: true },
  ListReferrers: { artifactType: true }
}

const tags = Object.keys(optionalFields) as ReadonlyArray<Operation.OperationTag>

describe("Arbitraries.operations", () => {
  it.each(tags)("set and omit every optional field of %s", (tag) => {
    const found = presence(sample<Operation.Operation>(Arbitraries.operations[tag]))
    const optional = Object.keys(optionalFields[tag])
    for (const { absent, field, present, undefined: unset } of found) {
      const may = optional.includes(field)
      expect({ field, present, absent, unset }).toEqual({ field, present: true, absent: may, unset: may })
    }
    expect(found.map(({ field }) => field)).toEqual(expect.arrayContaining(optional))
  })

  it("generate every kind of operation", () => {
    expect(new Set(sample(Arbitraries.operation).map(({ _tag }) => _tag))).toEqual(new Set(tags))
  })

  it("have the class of their tag", () => {
    fc.assert(fc.property(Arbitraries.operation, (operation) => {
      expect(operation).toBeInstanceOf(Operation[operation._tag])
    }))
  })

  it("push manifests with their correct digest", async () => {
    await Effect.runPromise(Digest.load("blake3"))
    fc.assert(fc.property(Arbitraries.operations.PushManifest, ({ bytes, digest, mediaType }) => {
      expect(Either.isRight(Manifest.make({ mediaType, bytes, digest }))).toBe(true)
    }))
  })
})

describe("Arbitraries.registryErrors", () => {
  const classes = Object.keys(Arbitraries.registryErrors) as ReadonlyArray<RegistryError.RegistryError["_tag"]>
  const common = ["operation", "repository", "reference", "reason", "detail", "status", "registry", "diagnostics"]

  it.each(classes)("set and omit every optional field of %s", (tag) => {
    const errors = sample<RegistryError.RegistryError>(Arbitraries.registryErrors[tag])
    expect(errors.every((error) => error instanceof RegistryError.classes[tag])).toBe(true)
    expect(presence(errors)).toEqual(expect.arrayContaining(
      [...common, "retryAfter"].map((field) => ({ field, present: true, absent: true, undefined: true }))
    ))
  })
})

describe("Arbitraries.descriptor", () => {
  it("sets and omits every optional field", () => {
    expect(presence(sample(Arbitraries.descriptor))).toEqual(expect.arrayContaining(
      ["urls", "annotations", "data", "artifactType", "platform"].map((field) => ({
        field,
        present: true,
        absent: true,
        undefined: true
      }))
    ))
  })
})

describe("Arbitraries.reference", () => {
  it("is parsed again from its text", () => {
    fc.assert(fc.property(Arbitraries.reference, (reference) => {
      expect(Either.getOrThrow(Reference.parse(Reference.format(reference)))).toEqual(reference)
    }))
  })
})

describe("Arbitraries.blob", () => {
  it("matches its descriptor", () =>
    fc.assert(fc.asyncProperty(Arbitraries.blob, async ({ body, bytes, descriptor }) => {
      await Effect.runPromise(Digest.load(descriptor.digest))
      const algorithm = Digest.verifiable(descriptor.digest)!
      expect(await Effect.runPromise(bytesOf(Body.verify(body, descriptor)))).toEqual(bytes)
      expect(Digest.fromBytes(bytes, algorithm)).toBe(descriptor.digest)
    })))

  it("has every kind of body", () => {
    const bodies = sample(Arbitraries.blob).map(({ body }) => body)
    const kinds = bodies.map((body) =>
      body.bytes !== undefined
        ? "bytes"
        : `${body.source === undefined ? "stream" : "source"} ${body.size !== undefined}`
    )
    expect(new Set(kinds)).toEqual(new Set(["bytes", "stream true", "stream false", "source true", "source false"]))
  })
})

describe("Arbitraries.body", () => {
  it("returns the same bytes each time", () =>
    fc.assert(fc.asyncProperty(Arbitraries.body, async (body) => {
      const first = await Effect.runPromise(bytesOf(body))
      expect(await Effect.runPromise(bytesOf(body))).toEqual(first)
      expect([first.byteLength, undefined]).toContain(body.size)
    })))
})

describe("Arbitraries.manifest", () => {
  it("is valid for its media type", () => {
    fc.assert(fc.property(Arbitraries.manifest, (manifest) => {
      expect(Either.getOrThrow(Manifest.parse(manifest))).toMatchObject({ mediaType: manifest.mediaType })
    }))
  })
})
