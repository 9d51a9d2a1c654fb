import * as Fixtures from "@effect-oci/conformance/Fixtures"
import {
  Answer,
  Body,
  Descriptor,
  Digest,
  MediaType,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type { BlobContent, Handler } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { Immutable, Union } from "../src/index.js"

const { descriptor, digest, repository } = samples

type Member = Union.Member<Registry["Type"]>

const member = (name: string, handle: Handler.Handler, more?: Partial<Member>): Member => ({
  name,
  registry: Registry.fromHandler(handle),
  ...more
})

const union = (members: ReadonlyArray<Member>, options?: Union.Options): Handler.Handler =>
  Effect.runSync(Effect.provide(Registry, Union.layer(members, options))).handle

const memory = Effect.map(Layer.build(Memory.layer()), (context) => Context.get(context, Registry))

/** Creates two empty registries, and a union that writes to both. */
const two = Effect.map(Effect.all([memory, memory]), ([a, b]) => ({
  a,
  b,
  all: Registry.fromHandler(
    union([{ name: "a", registry: a }, { name: "b", registry: b }], { push: "all" })
  )
}))

const failing = (
  registry: Handler.Handler,
  tag: Operation.OperationTag,
  error: RegistryError.RegistryError = new RegistryError.Unavailable({ reason: "out of order" })
): Handler.Handler =>
(operation) => operation._tag === tag ? Answer.fail(error) : registry(operation)

const content = new Uint8Array(300_000).map((_, index) => index % 251)
const blob = Descriptor.fromBytes(content)

/** Creates a native body that can be read once and counts what it has sent. */
const native = (pieces: ReadonlyArray<Uint8Array>) => {
  const state = { given: 0, opened: 0, cancelled: 0, paused: true }
  const body = Body.fromSource((sink) => {
    state.opened++
    let at = 0
    let over = false
    const pump = () => {
      state.paused = false
      while (!over && !state.paused) {
        if (at === pieces.length) {
          over = true
          return sink.end()
        }
        const piece = pieces[at++]!
        state.given += piece.byteLength
        state.paused = !sink.data(piece)
      }
    }
    queueMicrotask(pump)
    return {
      resume: () => queueMicrotask(pump),
      cancel: () => {
        over = true
        state.cancelled++
      }
    }
  }, { size: pieces.reduce((size, piece) => size + piece.byteLength, 0) })
  return { body, state }
}

const pieces = (size: number) =>
  Array.from(
    { length: Math.ceil(content.byteLength / size) },
    (_, index) => content.subarray(index * size, (index + 1) * size)
  )

const has = (registry: Registry["Type"], of: Descriptor.Descriptor = blob) =>
  Effect.flatMap(
    registry.getBlob(repository, of.digest),
    (found: BlobContent.BlobContent) =>
      Effect.map(Stream.runCollect(found.stream), (all) =>
        Chunk.toReadonlyArray(all).reduce((n, piece) => n + piece.byteLength, 0))
  ).pipe(Effect.scoped, Effect.option)

describe("Union, writing", () => {
  describe("to the first", () => {
    const writes = samples.tags.filter((tag) => Operation.traits[tag].access === "write")
    it.effect.each(writes)(
      "sends %s unchanged to the first member with the capability",
      (tag) =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const noting = (name: string): Handler.Handler => (operation) => {
            seen.push([name, operation])
            return samples.known(operation)
          }
          const handle = union([
            member("mirror", noting("mirror"), { capabilities: ["pull", "resolve"] }),
            member("first", noting("first")),
            member("second", noting("second"))
          ])
          const operation = samples.operations[tag]
          const answer = yield* samples.answerOf(handle, operation)
          expect(answer).toEqual(yield* samples.answerOf(samples.known, operation))
          const looked = new Operation.ResolveManifest({ repository, reference: samples.tag })
          expect(seen).toEqual([
            // A push with `ifAbsent` resolves its tags first.
            ...(tag === "PushManifest" ? [["mirror", looked]] : []),
            ["first", operation]
          ])
        })
    )

    it.effect("sends a manifest to the member that receives the blobs, or refuses it", () =>
      Effect.gen(function*() {
        const handle = union([
          member("releases", samples.known, { select: ReferenceSet.tags("v*", "r*") }),
          member("others", samples.known)
        ])
        expect(yield* handle(samples.operations.PushManifest)).toMatchObject({ digest })
        const error = yield* Effect.flip(
          handle(new Operation.PushManifest({ ...samples.operations.PushManifest, tags: ["main" as never] }))
        )
        expect(error).toMatchObject({
          _tag: "OciDenied",
          reason: "no member of the union is selected for the tags main (option select)"
        })
      }))

    it.effect.each<{ from: string | undefined; seen: string }>([
      { from: "team/base", seen: "MountBlob" },
      { from: "other/base", seen: "StartUpload" },
      { from: undefined, seen: "StartUpload" }
    ])("a mount from $from: $seen", ({ from, seen }) =>
      Effect.gen(function*() {
        const operations: Array<string> = []
        const noting: Handler.Handler = (operation) => {
          operations.push(operation._tag)
          return samples.known(operation)
        }
        const handle = union([
          member("team", noting, { select: ReferenceSet.prefix("team/") }),
          member("others", samples.known)
        ])
        yield* handle(
          new Operation.MountBlob({
            repository,
            digest,
            from: from === undefined ? undefined : RepositoryName.make(from)
          })
        )
        expect(operations).toEqual([seen])
      }))
  })

  describe("a blob to all", () => {
    it.scoped.each<{ name: string; body: () => Body.Body }>([
      { name: "in memory", body: () => Body.bytes(content) },
      { name: "from a native source", body: () => native(pieces(1000)).body },
      {
        name: "from a stream",
        body: () => Body.stream(Stream.fromIterable(pieces(777)), { size: content.byteLength })
      },
      { name: "that can be replayed", body: () => Body.stream(Stream.make(content), { replayable: true }) }
    ])("$name", ({ body }) =>
      Effect.gen(function*() {
        const { a, all, b } = yield* two
        expect(yield* all.pushBlob(repository, blob, body())).toMatchObject({ digest: blob.digest })
        expect([yield* has(a), yield* has(b)]).toEqual([Option.some(300_000), Option.some(300_000)])
      }))

    it.scoped("reports the outcome of each member in a partial failure", () =>
      Effect.gen(function*() {
        const { a, b } = yield* two
        const handle = union([
          member("a", failing(a.handle, "PushBlob")),
          { name: "b", registry: b }
        ], { push: "all" })
        const { body, state } = native(pieces(1000))
        const error = yield* Effect.flip(handle(new Operation.PushBlob({ repository, descriptor: blob, body })))
        expect(error).toMatchObject({
          _tag: "OciPartialFailure",
          message: `PushBlob team/app@${blob.digest}: succeeded at b; failed at a: out of order`,
          outcomes: [{ name: "a", error: { _tag: "OciUnavailable" } }, { name: "b", error: undefined }]
        })
        expect(RegistryError.isTransient(error)).toBe(true)
        expect(yield* has(b)).toEqual(Option.some(300_000))
        expect(state).toMatchObject({ opened: 1, given: 300_000 })
      }))

    it.effect("fails with the error of the member that got furthest if all fail, without reading the body", () =>
      Effect.gen(function*() {
        const handle = union([
          member("a", samples.always(Answer.fail(new RegistryError.TransportError({ reason: "refused" })))),
          member("b", samples.always(Answer.fail(new RegistryError.Denied({}))))
        ], { push: "all" })
        const { body, state } = native(pieces(1000))
        const error = yield* Effect.flip(handle(new Operation.PushBlob({ repository, descriptor: blob, body })))
        expect(error).toMatchObject({
          _tag: "OciDenied",
          reason: "a: refused; b: requested access to the resource is denied"
        })
        expect(state.opened).toBe(0)
      }))

    it.scoped("stores a wrong body at no member", () =>
      Effect.gen(function*() {
        const { a, all, b } = yield* two
        const { body } = native(pieces(1000).toReversed())
        const error = yield* Effect.flip(all.pushBlob(repository, blob, body))
        expect(error._tag).toBe("OciDigestInvalid")
        expect([yield* has(a), yield* has(b)]).toEqual([Option.none(), Option.none()])
      }))

    it.effect("sends in lock step: no member is more than one chunk ahead of the slowest", () =>
      Effect.gen(function*() {
        const taken = { fast: 0, slow: 0 }
        let ahead = 0
        const reading = (name: "fast" | "slow", wait: Effect.Effect<void>) =>
          member(
            name,
            ((operation: Operation.PushBlob) =>
              Effect.as(
                take(operation.body, (piece) =>
                  Effect.zipRight(
                    wait,
                    Effect.sync(() => {
                      taken[name] += piece.byteLength
                      ahead = Math.max(ahead, taken.fast - taken.slow)
                    })
                  )),
                descriptor
              )) as never
          )
        const handle = union([reading("fast", Effect.void), reading("slow", Effect.sleep(10))], { push: "all" })
        const { body, state } = native(pieces(10_000))
        const fiber = yield* Effect.fork(handle(new Operation.PushBlob({ repository, descriptor: blob, body })))
        yield* TestClock.adjust(95)
        expect(taken.slow).toBe(90_000)
        expect(state.given).toBeLessThanOrEqual(110_000)
        yield* TestClock.adjust(1000)
        yield* Fiber.join(fiber)
        expect(taken).toEqual({ fast: 300_000, slow: 300_000 })
        expect(ahead).toBeLessThanOrEqual(20_000)
      }))

    it.effect("does not wait for members that leave early or never read", () =>
      Effect.gen(function*() {
        let read = 0
        const handle = union([
          member("has it", (() => Effect.succeed(descriptor)) as never),
          member(
            "fails",
            ((operation: Operation.PushBlob) =>
              Effect.zipRight(
                take(operation.body, () => Effect.fail(new RegistryError.Unavailable({}))),
                Effect.succeed(descriptor)
              )) as never
          ),
          member(
            "reads",
            ((operation: Operation.PushBlob) =>
              Effect.as(
                Body.forEachChunk(operation.body, (piece) => void (read += piece.byteLength)),
                descriptor
              )) as never
          )
        ], { push: "all" })
        const { body } = native(pieces(10_000))
        const error = yield* Effect.flip(handle(new Operation.PushBlob({ repository, descriptor: blob, body })))
        expect(error).toMatchObject({
          _tag: "OciPartialFailure",
          reason: "succeeded at has it, reads; failed at fails: service unavailable"
        })
        expect(read).toBe(300_000)
      }))

    it.effect("closes the body on interruption, even if a member is stalled", () =>
      Effect.gen(function*() {
        for (const stream of [false, true]) {
          const begun = yield* Deferred.make<void>()
          const handle = union([
            member(
              "stalled",
              ((operation: Operation.PushBlob) =>
                take(operation.body, () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never))) as never
            ),
            member("reads", ((operation: Operation.PushBlob) => Body.forEachChunk(operation.body, () => {})) as never)
          ], { push: "all" })
          let closed = 0
          const { body, state } = native(pieces(1000))
          const asStream = Body.stream(
            Stream.ensuring(Stream.fromIterable(pieces(1000)), Effect.sync(() => void closed++))
          )
          const push = new Operation.PushBlob({ repository, descriptor: blob, body: stream ? asStream : body })
          const fiber = yield* Effect.fork(handle(push))
          yield* Deferred.await(begun)
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          yield* Effect.yieldNow()
          expect(state.given).toBeLessThan(300_000)
          expect(state.cancelled + closed).toBeGreaterThan(0)
        }
      }))

    it.effect("fails for a member that reads a body twice that can be read only once", () =>
      Effect.gen(function*() {
        const handle = union([
          member(
            "retries",
            ((operation: Operation.PushBlob) =>
              Effect.zipRight(
                Body.forEachChunk(operation.body, () => {}),
                Body.forEachChunk(operation.body, () => {})
              )) as never
          ),
          member(
            "reads",
            ((operation: Operation.PushBlob) =>
              Effect.as(Body.forEachChunk(operation.body, () => {}), descriptor)) as never
          )
        ], { push: "all" })
        const push = new Operation.PushBlob({ repository, descriptor: blob, body: native(pieces(1000)).body })
        const error = yield* Effect.flip(handle(push))
        expect(error.reason).toBe(
          "succeeded at reads; failed at retries: the member read the body twice, but this body can be read only once"
        )
      }))
  })

  describe("manifests to all", () => {
    it.effect("run in the same order at all members, while other repositories are not blocked", () =>
      Effect.gen(function*() {
        const seen: { [name: string]: Array<string> } = { a: [], b: [] }
        const slow = (name: string, millis: (tag: string) => number) =>
          member(
            name,
            ((operation: Operation.PushManifest | Operation.ResolveManifest) =>
              operation._tag === "ResolveManifest" ? Answer.fail(new RegistryError.ManifestUnknown({})) : Effect.as(
                Effect.zipRight(
                  Effect.sleep(millis(operation.tags[0]!)),
                  Effect.sync(() => void seen[name]!.push(`${operation.repository}:${operation.tags[0]}`))
                ),
                { ...descriptor, tags: operation.tags }
              )) as never
          )
        const handle = union([
          slow("a", (tag) => tag === "v1" ? 10 : 1),
          slow("b", (tag) => tag === "v1" ? 1 : 10)
        ], { push: "all" })
        const push = (tag: string, to = repository) =>
          Effect.fork(
            handle(
              new Operation.PushManifest({ ...samples.operations.PushManifest, repository: to, tags: [tag as never] })
            )
          )
        const fibers = [yield* push("v1"), yield* push("v2"), yield* push("v2", RepositoryName.make("other"))]
        yield* TestClock.adjust(20)
        yield* Fiber.joinAll(fibers)
        for (const name of ["a", "b"]) {
          expect(seen[name]!.filter((each) => each.startsWith("team/app"))).toEqual(["team/app:v1", "team/app:v2"])
        }
        expect(seen["a"]![0]).toBe("other:v2")
      }))

    it.effect("return the tags and the subject that all members have", () =>
      Effect.gen(function*() {
        const pushed = (tags: ReadonlyArray<string>, subject?: typeof digest): Handler.Handler =>
          samples.always(Effect.succeed({ ...descriptor, tags, subject }) as never)
        const push = new Operation.PushManifest({ ...samples.operations.PushManifest, ifAbsent: undefined })
        const both = union([member("a", pushed(["v1", "v2"], digest)), member("b", pushed(["v2"], digest))], {
          push: "all"
        })
        expect(yield* both(push)).toEqual({ ...descriptor, tags: ["v2"], subject: digest })
        const one = union([member("a", pushed(["v1"], digest)), member("b", pushed(["v1"]))], { push: "all" })
        expect(yield* one(push)).toEqual({ ...descriptor, tags: ["v1"] })
      }))
  })

  describe("a push with ifAbsent", () => {
    const manifest = (text: string) => ({
      ...Fixtures.document(MediaType.index, { manifests: [], annotations: { text } }),
      tags: [samples.tag]
    })
    const push = (handle: Handler.Handler, text: string, ifAbsent = true) =>
      Registry.fromHandler(handle).pushManifest(repository, { ...manifest(text), ifAbsent })
    const pointsAt = (registry: Registry["Type"] | Handler.Handler) =>
      Effect.map(
        Effect.option(
          ("handle" in registry ? registry : Registry.fromHandler(registry)).resolveManifest(repository, samples.tag)
        ),
        Option.map((found) => found.digest)
      )

    it.scoped.each<{ name: string; options: Union.Options }>([
      { name: "first", options: {} },
      { name: "all", options: { push: "all" } }
    ])("moves no tag that exists at any member, push: $name", ({ options }) =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([memory, memory])
        const { digest: old } = yield* push(b.handle, "old")
        const handle = union([{ name: "a", registry: a }, { name: "b", registry: b }], options)
        const error = yield* Effect.flip(push(handle, "new"))
        expect(error).toMatchObject({ _tag: "OciDenied", reason: `the tag "v1" already points at ${old}` })
        expect([yield* pointsAt(a), yield* pointsAt(b)]).toEqual([Option.none(), Option.some(old)])
        // The content that the tag already points at may be pushed to it.
        expect((yield* push(handle, "old")).digest).toBe(old)
        expect(yield* pointsAt(a)).toEqual(Option.some(old))
      }))

    it.scoped.each<{ name: string; options: Union.Options }>([
      { name: "first", options: {} },
      { name: "all", options: { push: "all" } }
    ])("with ifMatch, moves a tag only from the manifest named, push: $name", ({ options }) =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([memory, memory])
        const handle = union([{ name: "a", registry: a }, { name: "b", registry: b }], options)
        const move = (text: string, ifMatch: Digest.Digest) =>
          Registry.fromHandler(handle).pushManifest(repository, { ...manifest(text), ifMatch })
        const absent = yield* Effect.flip(move("one", Digest.fromBytes(new Uint8Array(0))))
        expect(absent).toMatchObject({ _tag: "OciDenied", reason: `the tag "v1" does not exist` })
        const { digest: one } = yield* push(a.handle, "one")
        // A tag that only another member has does not move, because the member that receives the push lacks it.
        yield* b.pushManifest(repository, { ...manifest("one"), tags: [samples.tag, Tag.make("b")] })
        const { digest: two } = yield* move("two", one)
        expect(yield* pointsAt(a)).toEqual(Option.some(two))
        expect(yield* pointsAt(b)).toEqual(Option.some(options.push === "all" ? two : one))
        expect(yield* Effect.flip(move("three", one))).toMatchObject({
          _tag: "OciDenied",
          reason: `the tag "v1" already points at ${two}`
        })
        // A push whose answer was lost is repeated.
        expect((yield* move("two", one)).digest).toBe(two)
        const elsewhere = Registry.fromHandler(handle).pushManifest(repository, {
          ...manifest("three"),
          tags: [Tag.make("b")],
          ifMatch: one
        })
        expect((yield* Effect.flip(elsewhere))._tag).toBe(options.push === "all" ? "OciPartialFailure" : "OciDenied")
        expect((yield* Effect.flip(a.resolveManifest(repository, Tag.make("b"))))._tag).toBe("OciManifestUnknown")
      }))

    it.scoped("is refused if the tag points at the same bytes with another media type at another member", () =>
      Effect.gen(function*() {
        const [a, b] = yield* Effect.all([memory, memory])
        const manifest = (mediaType: string) => ({
          mediaType,
          bytes: new TextEncoder().encode("{}"),
          tags: [samples.tag],
          ifAbsent: true
        })
        yield* b.pushManifest(repository, manifest("application/vnd.example.one+json"))
        const service = Registry.fromHandler(union([{ name: "a", registry: a }, { name: "b", registry: b }]))
        const error = yield* Effect.flip(
          service.pushManifest(repository, manifest("application/vnd.example.two+json"))
        )
        expect(error).toMatchObject({
          _tag: "OciManifestInvalid",
          reason: "manifest invalid: the tag \"v1\" already points at these bytes as a manifest of type " +
            "application/vnd.example.one+json; push them with that type"
        })
        expect(yield* pointsAt(a)).toEqual(Option.none())
        yield* service.pushManifest(repository, manifest("application/vnd.example.one+json; charset=utf-8"))
        expect(Option.isSome(yield* pointsAt(a))).toBe(true)
      }))

    it.scoped("is sent to each member, and fails if the members cannot be asked", () =>
      Effect.gen(function*() {
        const seen: Array<boolean | undefined> = []
        const noting: Handler.Handler = (operation) => {
          if (operation._tag === "PushManifest") seen.push(operation.ifAbsent)
          return operation._tag === "ResolveManifest"
            ? Answer.fail(new RegistryError.ManifestUnknown({}))
            : samples.known(operation)
        }
        yield* push(union([member("a", noting), member("b", noting)], { push: "all" }), "new")
        expect(seen).toEqual([true, true])
        const down = failing(samples.known, "ResolveManifest")
        const unsure = union([member("a", noting), member("b", down)], { passOver: () => true })
        expect((yield* Effect.flip(push(unsure, "new")))._tag).toBe("OciUnavailable")
        expect(seen.length).toBe(2)
      }))

    it.scoped.each([{ conditional: true }, { conditional: false }])(
      "keeps the tags of Immutable around a union, conditional: $conditional",
      ({ conditional }) =>
        Effect.gen(function*() {
          const [a, b] = yield* Effect.all([memory, memory])
          const { digest: old } = yield* push(b.handle, "old")
          const immutable = yield* Immutable.middleware({ conditional })
          const handle = immutable(union([{ name: "a", registry: a }, { name: "b", registry: b }]))
          expect((yield* Effect.flip(push(handle, "new", false)))._tag).toBe("OciDenied")
          expect(yield* pointsAt(handle)).toEqual(Option.some(old))
        })
    )
  })

  describe("deletes", () => {
    const unknown = samples.always(Answer.fail(new RegistryError.BlobUnknown({})))
    const remove = samples.operations.DeleteBlob
    it.effect("go to all, and succeed if one had it", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const noting = (name: string, next: Handler.Handler): Member =>
          member(name, (operation) => {
            seen.push(name)
            return next(operation)
          })
        const handle = union([noting("a", unknown), noting("b", samples.known), noting("c", unknown)])
        expect(yield* handle(remove)).toEqual(Operation.done)
        expect(seen).toEqual(["c", "b", "a"])
      }))

    it.effect("fail if no member had it, and report which member failed", () =>
      Effect.gen(function*() {
        expect(yield* Effect.flip(union([member("a", unknown), member("b", unknown)])(remove))).toMatchObject({
          _tag: "OciBlobUnknown",
          reason: "a: blob unknown to registry; b: blob unknown to registry"
        })
        const down = samples.always(Answer.fail(new RegistryError.TransportError({})))
        expect(yield* Effect.flip(union([member("a", unknown), member("b", down)])(remove)))
          .toMatchObject({ _tag: "OciTransportError" })
        expect(yield* Effect.flip(union([member("a", unknown), member("b", samples.known), member("c", down)])(remove)))
          .toMatchObject({
            _tag: "OciPartialFailure",
            reason: "succeeded at a, b; failed at c: the registry cannot be reached",
            outcomes: [{ name: "a", error: undefined }, { name: "b", error: undefined }, { name: "c" }]
          })
      }))
  })

  describe("uploads to all", () => {
    const half = content.byteLength / 2
    it.scoped("store the blob at each member", () =>
      Effect.gen(function*() {
        const { a, all, b } = yield* two
        const started = yield* all.startUpload(repository)
        const first = native(pieces(1000).slice(0, 150))
        const appended = yield* all.appendUpload(repository, started.id, first.body, { offset: 0 })
        expect(appended.offset).toBe(half)
        expect((yield* all.getUpload(repository, appended.id)).offset).toBe(half)
        const rest = native(pieces(1000).slice(150))
        const done = yield* all.completeUpload(repository, appended.id, blob.digest, { body: rest.body, offset: half })
        expect(done.digest).toBe(blob.digest)
        expect([first.state.opened, rest.state.opened]).toEqual([1, 1])
        expect([yield* has(a), yield* has(b)]).toEqual([Option.some(300_000), Option.some(300_000)])
      }))

    it.scoped("change nothing on a wrong offset, and can continue", () =>
      Effect.gen(function*() {
        const { all } = yield* two
        const { id } = yield* all.startUpload(repository)
        const error = yield* Effect.flip(all.appendUpload(repository, id, Body.bytes(content), { offset: 7 }))
        expect(error._tag).toBe("OciRangeInvalid")
        expect((yield* all.appendUpload(repository, id, Body.bytes(content), { offset: 0 })).offset).toBe(300_000)
      }))

    it.scoped("cancel the session at a member that fails, and report it at the end", () =>
      Effect.gen(function*() {
        const { a, b } = yield* two
        const cancelled: Array<string> = []
        const noting: Handler.Handler = (operation) => {
          if (operation._tag === "CancelUpload") cancelled.push(operation.id)
          return a.handle(operation)
        }
        const all = Registry.fromHandler(
          union([member("a", failing(noting, "AppendUpload")), { name: "b", registry: b }], { push: "all" })
        )
        const { id } = yield* all.startUpload(repository)
        const appended = yield* all.appendUpload(repository, id, native(pieces(1000)).body)
        expect(cancelled).toHaveLength(1)
        expect((yield* all.getUpload(repository, appended.id)).offset).toBe(300_000)
        const error = yield* Effect.flip(all.completeUpload(repository, appended.id, blob.digest))
        expect(error).toMatchObject({
          _tag: "OciPartialFailure",
          reason: "succeeded at b; failed at a: out of order",
          outcomes: [{ name: "a", error: { _tag: "OciUnavailable", reason: "out of order" } }, { name: "b" }]
        })
        expect([yield* has(a), yield* has(b)]).toEqual([Option.none(), Option.some(300_000)])
      }))

    it.scoped("continue without a member that cannot start, and report its failure", () =>
      Effect.gen(function*() {
        const { a, b } = yield* two
        const errors: ReadonlyArray<readonly [RegistryError.RegistryError, string]> = [
          [new RegistryError.Denied({ reason: "no" }), "OciDenied"],
          [new RegistryError.RealmRefused({ realm: "https://evil.example" }), "OciUnknownCode"]
        ]
        for (const [error, tag] of errors) {
          const all = Registry.fromHandler(
            union([member("a", failing(a.handle, "StartUpload", error)), { name: "b", registry: b }], { push: "all" })
          )
          const { id } = yield* all.startUpload(repository)
          const failure = yield* Effect.flip(
            all.completeUpload(repository, id, blob.digest, { body: Body.bytes(content) })
          )
          expect(failure).toMatchObject({
            _tag: "OciPartialFailure",
            outcomes: [{ error: { _tag: tag } }, { name: "b" }]
          })
        }
      }))

    it.scoped("send each member only the bytes that it does not have", () =>
      Effect.gen(function*() {
        const { a, all, b } = yield* two
        const { id } = yield* all.startUpload(repository)
        // One member has received a chunk that the other has not, as when a connection broke between the two.
        const [, memberId] = JSON.parse(id.slice(id.indexOf(".") + 1))[1] as [number, string]
        yield* b.appendUpload(repository, memberId, Body.bytes(content.subarray(0, 1500)), { offset: 0 })
        const now = yield* all.getUpload(repository, id)
        expect(now.offset).toBe(0)
        const next = yield* all.appendUpload(repository, now.id, Body.bytes(content.subarray(0, 1000)), { offset: 0 })
        expect(next.offset).toBe(1000)
        const { body } = native(pieces(777))
        const more = yield* all.appendUpload(repository, next.id, Body.slice(body, { offset: 1000, length: 299_000 }), {
          offset: 1000
        })
        expect(more.offset).toBe(300_000)
        yield* all.completeUpload(repository, more.id, blob.digest)
        expect([yield* has(a), yield* has(b)]).toEqual([Option.some(300_000), Option.some(300_000)])
      }))

    it.scoped("continue a mount as an upload to members that cannot mount", () =>
      Effect.gen(function*() {
        const { a, all, b } = yield* two
        const base = RepositoryName.make("team/base")
        yield* a.pushBlob(base, blob, Body.bytes(content))
        const mounted = yield* all.mountBlob(repository, blob.digest, { from: base })
        if (mounted._tag !== "UploadStarted") return expect.fail("b has nothing to mount")
        expect(yield* has(a)).toEqual(Option.some(300_000))
        yield* all.completeUpload(repository, mounted.upload.id, blob.digest, { body: Body.bytes(content) })
        expect(yield* has(b)).toEqual(Option.some(300_000))
        yield* b.pushBlob(base, blob, Body.bytes(content))
        expect(yield* all.mountBlob(repository, blob.digest, { from: base })).toMatchObject({ _tag: "Mounted" })
      }))

    it.scoped("are cancelled at all members", () =>
      Effect.gen(function*() {
        const { all } = yield* two
        const { id } = yield* all.startUpload(repository)
        expect(yield* all.cancelUpload(repository, id)).toEqual(Operation.done)
        for (
          const gone of [Effect.asVoid(all.cancelUpload(repository, id)), Effect.asVoid(all.getUpload(repository, id))]
        ) {
          expect(yield* Effect.flip(gone)).toMatchObject({ _tag: "OciBlobUploadUnknown" })
        }
      }))

    describe("ids", () => {
      const uses = (
        all: Registry["Type"],
        id: string,
        at = repository
      ): ReadonlyArray<Effect.Effect<unknown, RegistryError.RegistryError>> => [
        all.getUpload(at, id),
        all.appendUpload(at, id, Body.bytes(content)),
        all.completeUpload(at, id, blob.digest, { body: Body.bytes(content) }),
        all.cancelUpload(at, id)
      ]
      it.scoped("cannot be forged, nor used for another repository or another union", () =>
        Effect.gen(function*() {
          const { a, all, b } = yield* two
          const { id } = yield* all.startUpload(repository)
          const dot = id.indexOf(".")
          const memberId = (yield* a.startUpload(repository)).id
          const forged = [
            "",
            ".",
            "x",
            memberId,
            id.slice(dot),
            id.slice(dot + 1),
            `${id} `,
            id.replace(/"[^"]*"/, JSON.stringify("https://evil.example/upload")),
            `${id.slice(0, dot - 4)}AAAA${id.slice(dot)}`,
            `.${JSON.stringify([[0, memberId, 0]])}`
          ]
          for (const each of forged) {
            for (const ask of uses(all, each)) {
              expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "OciBlobUploadUnknown" })
            }
          }
          const other = RepositoryName.make("team/other")
          for (const ask of uses(all, id, other)) {
            expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "OciBlobUploadUnknown" })
          }
          const uploadKey = Redacted.make("a key that two processes share")
          const swapped = Registry.fromHandler(
            union([{ name: "b", registry: b }, { name: "a", registry: a }], { push: "all", uploadKey })
          )
          for (const ask of uses(swapped, id)) {
            expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "OciBlobUploadUnknown" })
          }
          expect((yield* all.getUpload(repository, id)).offset).toBe(0)
        }))

      it("an empty key is refused", () => {
        expect(() => union([member("a", samples.known), member("b", samples.known)], { uploadKey: Redacted.make("") }))
          .toThrow("uploadKey is empty: give at least 16 random characters, or none")
      })

      it.scoped("are valid in all processes that share the key and the members", () =>
        Effect.gen(function*() {
          const { a, b } = yield* two
          const of = (key: string, ...names: ReadonlyArray<string>) =>
            Registry.fromHandler(
              union([a, b].map((registry, index) => ({ name: names[index]!, registry })), {
                push: "all",
                uploadKey: Redacted.make(key)
              })
            )
          const { id } = yield* of("key", "a", "b").startUpload(repository)
          expect((yield* of("key", "a", "b").getUpload(repository, id)).offset).toBe(0)
          for (const stranger of [of("another", "a", "b"), of("key", "b", "a")]) {
            expect(yield* Effect.flip(stranger.getUpload(repository, id))).toMatchObject({
              _tag: "OciBlobUploadUnknown"
            })
          }
        }))
    })
  })
})

/** Reads a body piece by piece, and requests the next piece after the last one is processed. */
const take = (body: Body.Body, f: (piece: Uint8Array) => Effect.Effect<unknown, RegistryError.RegistryError>) =>
  Effect.gen(function*() {
    let given = yield* Deferred.make<Uint8Array | undefined, RegistryError.RegistryError>()
    const source = body.source!
    const control = source({
      data: (piece) => {
        Deferred.unsafeDone(given, Exit.succeed(piece))
        return false
      },
      end: () => Deferred.unsafeDone(given, Effect.void as never),
      fail: (error) => Deferred.unsafeDone(given, Exit.fail(error))
    })
    while (true) {
      const piece = yield* Effect.onInterrupt(Deferred.await(given), () => Effect.sync(control.cancel))
      if (piece === undefined) return
      given = yield* Deferred.make<Uint8Array | undefined, RegistryError.RegistryError>()
      yield* f(piece)
      control.resume()
    }
  })
