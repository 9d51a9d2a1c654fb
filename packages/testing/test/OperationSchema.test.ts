import { BlobContent } from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Predicate, Schema, Stream } from "effect"
import * as fc from "fast-check"
import * as Arbitraries from "../src/Arbitraries.js"

/** Encodes a value as JSON text, and decodes the text. */
const sent = <A>(schema: Schema.Schema<A, unknown>, value: A): A => {
  const json = Schema.parseJson(schema)
  return Schema.decodeSync(json)(Schema.encodeSync(json)(value))
}

/** Returns the operation as its JSON can express it. */
const inMemory = (operation: Operation.Operation): Operation.Operation => {
  const whole = Operation.mapBody(operation, (body) => body.bytes === undefined ? Body.bytes(new Uint8Array(3)) : body)
  const Class = Operation[operation._tag] as new(fields: object) => Operation.Operation
  return "limit" in whole && whole.limit === Infinity ? new Class({ ...whole, limit: undefined }) : whole
}

describe("Operation.schema", () => {
  it("decodes every operation that it encodes", () =>
    fc.assert(fc.property(Arbitraries.operation.map(inMemory), (operation) => {
      const decoded = sent(Operation.schema, operation)
      expect(Operation.equivalence(decoded, operation)).toBe(true)
      expect(Object.getPrototypeOf(decoded)).toBe(Object.getPrototypeOf(operation))
    })))

  it.effect("leaves out the bytes of a body that is not in memory", () =>
    Effect.gen(function*() {
      const [operation] = fc.sample(Arbitraries.operations.PushBlob, 1)
      const body = Body.stream(Stream.make(new Uint8Array(5)), { size: 5 })
      const decoded = sent(Operation.schema, Operation.mapBody(operation!, () => body)) as Operation.PushBlob
      expect(decoded.body.size).toBe(5)
      expect(yield* Effect.flip(Body.forEachChunk(decoded.body, () => {}))).toMatchObject({ _tag: "OciBodyFailed" })
    }))

  it.each([
    { _tag: "Ping" },
    { _tag: "DeleteTag", repository: "team/app" },
    { _tag: "DeleteTag", repository: "team/app", tag: "not a tag" },
    { _tag: "GetBlob", repository: "Team", digest: "sha256:0" }
  ])("refuses %j", (json) => {
    expect(Either.isLeft(Schema.decodeUnknownEither(Operation.schema)(json))).toBe(true)
  })
})

const upload: fc.Arbitrary<Operation.Upload> = fc.record(
  { id: Arbitraries.uploadId, offset: fc.nat(), minChunkSize: fc.nat() },
  { requiredKeys: ["id", "offset"] }
)

const content = fc.record({ descriptor: Arbitraries.descriptor, bytes: fc.uint8Array(), verified: fc.boolean() })
  .map(({ bytes, ...fields }) => new BlobContent({ ...fields, body: Body.bytes(bytes) }))

const manifest = Arbitraries.manifest.map((fields) => Either.getOrThrow(Manifest.make(fields)))

const done = fc.constant(Operation.done)

const results: {
  readonly [T in Operation.OperationTag]: fc.Arbitrary<Operation.ResultDataOf<Operation.OperationOf<T>>>
} = {
  ResolveBlob: Arbitraries.descriptor,
  GetBlob: content,
  ResolveManifest: Arbitraries.descriptor,
  GetManifest: manifest,
  PushBlob: Arbitraries.descriptor,
  MountBlob: fc.oneof(
    Arbitraries.digest.map((digest) => new Operation.Mounted({ digest })),
    upload.map((upload) => new Operation.UploadStarted({ upload }))
  ),
  StartUpload: upload,
  GetUpload: upload,
  AppendUpload: upload,
  CompleteUpload: Arbitraries.descriptor,
  CancelUpload: done,
  PushManifest: fc.record({
    descriptor: Arbitraries.descriptor,
    subject: Arbitraries.digest,
    tags: fc.array(Arbitraries.tag)
  }, { requiredKeys: ["descriptor", "tags"] }).map(({ descriptor, ...fields }) => ({ ...descriptor, ...fields })),
  DeleteBlob: done,
  DeleteManifest: done,
  DeleteTag: done,
  ListRepositories: fc.array(Arbitraries.repositoryName),
  ListTags: fc.array(Arbitraries.tag),
  ListReferrers: fc.array(Arbitraries.descriptor)
}

describe("Operation.resultSchemas", () => {
  it.each(Object.keys(results) as ReadonlyArray<Operation.OperationTag>)("decodes every result of %s", (tag) => {
    const schema = Operation.resultSchemas[tag] as Schema.Schema<unknown, unknown>
    fc.assert(fc.property(results[tag] as fc.Arbitrary<unknown>, (result) => {
      const decoded = sent(schema, result)
      expect(decoded).toEqual(result)
      if (Predicate.hasProperty(result, "_tag")) {
        expect(Object.getPrototypeOf(decoded)).toBe(Object.getPrototypeOf(result))
      }
    }))
  })

  it("refuses a manifest that does not match its digest", () =>
    fc.assert(fc.property(manifest, ({ bytes, descriptor: { digest, mediaType } }) => {
      const json = Schema.encodeSync(Schema.Uint8ArrayFromBase64)(new Uint8Array([...bytes, 0]))
      const decoded = Schema.decodeUnknownEither(Operation.resultSchemas.GetManifest)({
        mediaType,
        digest,
        bytes: json
      })
      expect(Either.isLeft(decoded)).toBe(true)
    })))
})

describe("RegistryError.schema", () => {
  it("decodes every error that it encodes, without its cause", () =>
    fc.assert(fc.property(Arbitraries.registryError, (error) => {
      const decoded = sent(RegistryError.schema, error)
      expect(RegistryError.isRegistryError(decoded)).toBe(true)
      expect(decoded.message).toBe(error.message)
      expect(JSON.parse(JSON.stringify(decoded))).toEqual(JSON.parse(JSON.stringify(error)))
    })))
})
