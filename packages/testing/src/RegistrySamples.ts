import { BlobContent, Body, Descriptor, Handler, Manifest, Operation, RepositoryName, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"

export const repository = RepositoryName.make("team/app")
export const tag = Tag.make("v1")
export const bytes = new TextEncoder().encode("{\"schemaVersion\":2}")
export const descriptor = Descriptor.fromBytes(bytes, "application/vnd.oci.image.manifest.v1+json")
export const { digest } = descriptor

/** The id of every upload in the samples. It must not be visible anywhere. */
export const canary = "CANARY-upload-9f2c"

/** One operation of each kind, with all of its fields. */
export const operations: { readonly [Tag in Operation.OperationTag]: Operation.OperationOf<Tag> } = {
  ResolveBlob: new Operation.ResolveBlob({ repository, digest }),
  GetBlob: new Operation.GetBlob({ repository, digest, range: { offset: 0 } }),
  ResolveManifest: new Operation.ResolveManifest({ repository, reference: tag }),
  GetManifest: new Operation.GetManifest({ repository, reference: digest }),
  PushBlob: new Operation.PushBlob({ repository, descriptor, body: Body.bytes(bytes) }),
  MountBlob: new Operation.MountBlob({ repository, digest, from: RepositoryName.make("team/base") }),
  StartUpload: new Operation.StartUpload({ repository, algorithm: "sha512" }),
  GetUpload: new Operation.GetUpload({ repository, id: canary }),
  AppendUpload: new Operation.AppendUpload({ repository, id: canary, offset: 0, body: Body.bytes(bytes) }),
  CompleteUpload: new Operation.CompleteUpload({ repository, id: canary, digest, offset: 0, body: Body.bytes(bytes) }),
  CancelUpload: new Operation.CancelUpload({ repository, id: canary }),
  PushManifest: new Operation.PushManifest({
    repository,
    mediaType: descriptor.mediaType,
    bytes,
    digest,
    tags: [tag],
    ifAbsent: true
  }),
  DeleteBlob: new Operation.DeleteBlob({ repository, digest }),
  DeleteManifest: new Operation.DeleteManifest({ repository, digest }),
  DeleteTag: new Operation.DeleteTag({ repository, tag }),
  ListRepositories: new Operation.ListRepositories({ last: repository, limit: 9 }),
  ListTags: new Operation.ListTags({ repository, last: tag, limit: 9 }),
  ListReferrers: new Operation.ListReferrers({ repository, digest, artifactType: "a/b" })
}

export const tags = Object.keys(operations) as ReadonlyArray<Operation.OperationTag>

const half = bytes.subarray(0, 9)

/** Content that streams in two chunks. */
export const streamed = new BlobContent.BlobContent({
  descriptor,
  body: Body.stream(Stream.make(half, bytes.subarray(9)), { size: bytes.byteLength }),
  verified: false
})

/** Content that a native source sends in two chunks. */
export const native = new BlobContent.BlobContent({
  descriptor,
  body: Body.fromSource((sink) => {
    let cancelled = false
    queueMicrotask(() => {
      if (!cancelled) sink.data(half)
      if (!cancelled) sink.data(bytes.subarray(9))
      if (!cancelled) sink.end()
    })
    return {
      resume: () => {},
      cancel: () => {
        cancelled = true
      }
    }
  }, { size: bytes.byteLength }),
  verified: false
})

const manifest = Effect.runSync(Manifest.make({ mediaType: descriptor.mediaType, bytes, digest }))

/** A registry with one fixed answer to each operation. */
export const answers: Handler.Table = {
  ResolveBlob: () => Effect.succeed(descriptor),
  GetBlob: () => Effect.succeed(streamed),
  ResolveManifest: () => Effect.succeed(descriptor),
  GetManifest: () => Effect.succeed(manifest),
  PushBlob: () => Effect.succeed(descriptor),
  MountBlob: () => Effect.succeed(new Operation.UploadStarted({ upload: { id: canary, offset: 0 } })),
  StartUpload: () => Effect.succeed({ id: canary, offset: 0 }),
  GetUpload: () => Effect.succeed({ id: canary, offset: 0 }),
  AppendUpload: () => Effect.succeed({ id: canary, offset: 19 }),
  CompleteUpload: () => Effect.succeed(descriptor),
  CancelUpload: () => Effect.succeed(Operation.done),
  PushManifest: () => Effect.succeed({ ...descriptor, tags: [tag] }),
  DeleteBlob: () => Effect.succeed(Operation.done),
  DeleteManifest: () => Effect.succeed(Operation.done),
  DeleteTag: () => Effect.succeed(Operation.done),
  ListRepositories: () => Effect.succeed(Stream.make(repository)),
  ListTags: () => Effect.succeed(Stream.make(tag, Tag.make("v2"))),
  ListReferrers: () => Effect.succeed(Stream.make(descriptor))
}

export const known: Handler.Handler = Handler.fromTable(answers)

/** Creates a registry that gives the same answer to all operations. */
export const always = (answer: Effect.Effect<never, RegistryError.RegistryError>): Handler.Handler => () => answer

/** Creates the same registry, whose results are not available at once. */
export const suspended = (next: Handler.Handler): Handler.Handler => (operation) =>
  Effect.suspend(() => next(operation))

/** Returns the result of an operation as plain data, with its streams read to their end. */
export const answerOf = (
  handle: Handler.Handler,
  operation: Operation.Operation
): Effect.Effect<Exit.Exit<unknown, RegistryError.RegistryError>> =>
  Effect.gen(function*() {
    const answer: unknown = yield* handle(operation)
    if (answer instanceof BlobContent.BlobContent) {
      const { body, ...rest } = answer
      const content: Array<number> = []
      yield* Body.forEachChunk(body, (chunk) => void content.push(...chunk))
      return { ...rest, size: body.size, replayable: body.replayable, native: body.source !== undefined, content }
    }
    if (typeof answer === "object" && answer !== null && Stream.StreamTypeId in answer) {
      return yield* Stream.runCollect(answer as Stream.Stream<unknown, RegistryError.RegistryError>)
    }
    return answer
  }).pipe(Effect.scoped, Effect.exit)

const names = fc.constantFrom("a", "team/app", "team/base", `${"long-name/".repeat(25)}end`).map(RepositoryName.make)
const tagNames = fc.constantFrom("v1", "latest", "_", "v1.2.3-rc.1", "x".repeat(128)).map(Tag.make)
const digests = fc.uint8Array({ maxLength: 4 }).map((content) => Descriptor.fromBytes(content).digest)
const references = fc.oneof(tagNames, digests)
const contents = fc.uint8Array({ maxLength: 64 })
const bodies = contents.chain((content) =>
  fc.constantFrom(Body.bytes(content), Body.stream(Stream.make(content)), Body.stream(Stream.empty, { size: 0 }))
)
const offsets = fc.option(fc.nat(), { nil: undefined })
const ids = fc.string({ minLength: 1 })
const limits = fc.option(fc.nat(), { nil: undefined })
const optional = <A>(of: fc.Arbitrary<A>) => fc.option(of, { nil: undefined })

const anyOf: { readonly [Tag in Operation.OperationTag]: fc.Arbitrary<Operation.OperationOf<Tag>> } = {
  ResolveBlob: fc.record({ repository: names, digest: digests }).map((fields) => new Operation.ResolveBlob(fields)),
  GetBlob: fc.record({ repository: names, digest: digests, range: optional(fc.record({ offset: fc.nat() })) })
    .map((fields) => new Operation.GetBlob(fields)),
  ResolveManifest: fc.record({ repository: names, reference: references })
    .map((fields) => new Operation.ResolveManifest(fields)),
  GetManifest: fc.record({ repository: names, reference: references })
    .map((fields) => new Operation.GetManifest(fields)),
  PushBlob: fc.record({ repository: names, descriptor: contents.map((all) => Descriptor.fromBytes(all)), body: bodies })
    .map((fields) => new Operation.PushBlob(fields)),
  MountBlob: fc.record({ repository: names, digest: digests, from: optional(names) })
    .map((fields) => new Operation.MountBlob(fields)),
  StartUpload: fc.record({ repository: names, algorithm: optional(fc.constantFrom("sha512", "blake3")) })
    .map((fields) => new Operation.StartUpload(fields)),
  GetUpload: fc.record({ repository: names, id: ids }).map((fields) => new Operation.GetUpload(fields)),
  AppendUpload: fc.record({ repository: names, id: ids, offset: offsets, body: bodies })
    .map((fields) => new Operation.AppendUpload(fields)),
  CompleteUpload: fc.record({ repository: names, id: ids, digest: digests, offset: offsets, body: optional(bodies) })
    .map((fields) => new Operation.CompleteUpload(fields)),
  CancelUpload: fc.record({ repository: names, id: ids }).map((fields) => new Operation.CancelUpload(fields)),
  PushManifest: fc.record({
    repository: names,
    mediaType: fc.constantFrom("application/vnd.oci.image.index.v1+json", "x/y"),
    bytes: contents,
    digest: optional(digests),
    tags: fc.array(tagNames, { maxLength: 3 }),
    ifAbsent: optional(fc.boolean()),
    ifMatch: optional(digests)
  }).map((fields) => new Operation.PushManifest(fields)),
  DeleteBlob: fc.record({ repository: names, digest: digests }).map((fields) => new Operation.DeleteBlob(fields)),
  DeleteManifest: fc.record({ repository: names, digest: digests })
    .map((fields) => new Operation.DeleteManifest(fields)),
  DeleteTag: fc.record({ repository: names, tag: tagNames }).map((fields) => new Operation.DeleteTag(fields)),
  ListRepositories: fc.record({ last: optional(names), limit: limits })
    .map((fields) => new Operation.ListRepositories(fields)),
  ListTags: fc.record({ repository: names, last: optional(tagNames), limit: limits })
    .map((fields) => new Operation.ListTags(fields)),
  ListReferrers: fc.record({ repository: names, digest: digests, artifactType: optional(fc.constant("a/b")) })
    .map((fields) => new Operation.ListReferrers(fields))
}

/** Any operation, with any of its optional fields. */
export const anyOperation: fc.Arbitrary<Operation.Operation> = fc.oneof(...Object.values(anyOf))
