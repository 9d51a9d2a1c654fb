import { Body, Descriptor, Digest, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Source } from "@effect-oci/core"
import { Faulty } from "@effect-oci/laws"
import { Memory } from "@effect-oci/store"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Retry } from "../src/index.js"

const { repository } = samples

const content = Uint8Array.from({ length: 40 }, (_, index) => index)
const descriptor = Descriptor.fromBytes(content)
const { digest } = descriptor

const halves = Stream.make(content.subarray(0, 20), content.subarray(20))

const source: Source.Source = (sink) => {
  let over = false
  queueMicrotask(() => {
    if (!over) sink.data(content)
    if (!over) sink.end()
  })
  return {
    resume: () => {},
    cancel: () => {
      over = true
    }
  }
}

/** Bodies with the same content, by how they can be sent. */
const replayed = [
  { kind: "in memory", body: () => Body.bytes(content) },
  { kind: "a stream", body: () => Body.stream(halves, { size: 40, replayable: true }) },
  { kind: "native", body: () => Body.fromSource(source, { size: 40, replayable: true }) }
]
const once = [
  { kind: "a stream", body: () => Body.stream(halves, { size: 40 }) },
  { kind: "native", body: () => Body.fromSource(source, { size: 40 }) }
]

const only = (tag: Operation.OperationTag) => ({ only: ({ _tag }: Operation.Operation) => _tag === tag })

/** Creates a registry in memory behind a retry and faults, and records the requests. */
const behind = (plan: Faulty.Plan, options?: Retry.Options) =>
  Effect.map(Registry, (registry) => {
    const operations: Array<Operation.OperationTag> = []
    const counted: Handler.Handler = (operation) => {
      operations.push(operation._tag)
      return registry.handle(operation)
    }
    const faulty = Faulty.make(plan)
    const handle = Retry.middleware({ delay: 0, ...options })(faulty.middleware(counted))
    return { registry, operations, faulty, handle }
  })

const isStored = (registry: Registry["Type"]) =>
  Effect.map(registry.resolveBlob(repository, digest), (stored) => expect(stored).toEqual(descriptor))

const cut = (after: number): Faulty.Fault => ({ _tag: "Cut", after })

const tooMany: Faulty.Fault = { _tag: "Fail", failure: Faulty.tooManyRequests() }

const memory = Effect.provide(Memory.layer())

describe("PushBlob", () => {
  it.effect.each(replayed)("pushes a body that is $kind again", ({ body }) =>
    Effect.gen(function*() {
      for (const after of [0, 20, 39]) {
        const { operations, handle, registry } = yield* behind(Faulty.operation(1, cut(after), { times: 2 }))
        const push = new Operation.PushBlob({ repository, descriptor, body: body() })
        expect(yield* handle(push)).toEqual(descriptor)
        expect(operations).toEqual(["PushBlob", "ResolveBlob", "PushBlob", "ResolveBlob", "PushBlob"])
        yield* isStored(registry)
        yield* registry.deleteBlob(repository, digest)
      }
    }).pipe(memory))

  it.effect.each([...replayed, ...once])(
    "does not send a body that is $kind again if the registry has the blob",
    ({ body }) =>
      Effect.gen(function*() {
        const { operations, handle } = yield* behind(Faulty.operation(1, { _tag: "Lose" }))
        expect(yield* handle(new Operation.PushBlob({ repository, descriptor, body: body() }))).toEqual(descriptor)
        expect(operations).toEqual(["PushBlob", "ResolveBlob"])
      }).pipe(memory)
  )

  it.effect.each(once)(
    "retries a body that is $kind if it was not read yet",
    ({ body }) =>
      Effect.gen(function*() {
        const { handle, registry } = yield* behind(
          Faulty.operation(1, { _tag: "Fail" }, { ...only("PushBlob"), times: 3 })
        )
        expect(yield* handle(new Operation.PushBlob({ repository, descriptor, body: body() }))).toEqual(descriptor)
        yield* isStored(registry)
      }).pipe(memory)
  )

  it.effect.each(once)(
    "fails with the reason if a body that is $kind was read",
    ({ body }) =>
      Effect.gen(function*() {
        const { operations, handle } = yield* behind(Faulty.operation(1, cut(20)))
        const error = yield* Effect.flip(handle(new Operation.PushBlob({ repository, descriptor, body: body() })))
        expect(error).toMatchObject({ _tag: "OciTransportError", repository })
        expect(error.message).toMatch(
          /^PushBlob team\/app@sha256:[0-9a-f]+: connection reset; not retried: the body was read and cannot be replayed$/
        )
        expect(operations).toEqual(["PushBlob", "ResolveBlob"])
      }).pipe(memory)
  )

  it.effect.each(once)(
    "retries the check for the blob with a body that is $kind",
    ({ body }) =>
      Effect.gen(function*() {
        const away = Faulty.operation(1, { _tag: "Fail" }, { ...only("ResolveBlob"), times: 2 })
        const { operations, handle } = yield* behind(Faulty.all(Faulty.operation(1, { _tag: "Lose" }), away))
        expect(yield* handle(new Operation.PushBlob({ repository, descriptor, body: body() }))).toEqual(descriptor)
        expect(operations).toEqual(["PushBlob", "ResolveBlob"])
      }).pipe(memory)
  )

  it.effect.each([{ ...replayed[0]!, fails: false }, { ...once[0]!, fails: true }])(
    "does not accept a blob of another size ($kind)",
    ({ body, fails }) =>
      Effect.gen(function*() {
        const other = { ...descriptor, size: 41 }
        const faulty = Faulty.make(Faulty.operation(1, cut(10)))
        const handle = Handler.override(samples.known, {
          ResolveBlob: () => Effect.succeed(other),
          PushBlob: (operation) => Effect.as(Body.forEachChunk(operation.body, () => {}), operation.descriptor)
        })
        const push = new Operation.PushBlob({ repository, descriptor, body: body() })
        const exit = yield* Effect.exit(Retry.middleware({ delay: 0 })(faulty.middleware(handle))(push))
        expect(exit._tag).toBe(fails ? "Failure" : "Success")
      })
  )

  it.effect("does not retry wrong content", () =>
    Effect.gen(function*() {
      const { operations, handle } = yield* behind(Faulty.none)
      const wrong = new Operation.PushBlob({ repository, descriptor, body: Body.bytes(content.subarray(1)) })
      expect(yield* Effect.flip(handle(wrong))).toMatchObject({ _tag: "OciSizeInvalid" })
      expect(operations).toEqual(["PushBlob"])
    }).pipe(memory))
})

/** Creates a registry that keeps a part of a broken chunk, as many registries do: its upload has the offset `kept`. */
const keeping = (kept: number) => (next: Handler.Handler): Handler.Handler => {
  let first = true
  const partly = <O extends Operation.AppendUpload | Operation.CompleteUpload>(operation: O) =>
    Effect.suspend(() => {
      if (!first) return next(operation)
      first = false
      const { id, offset } = operation
      const body = Body.bytes(content.subarray(offset ?? 0, (offset ?? 0) + kept))
      return Effect.zipRight(
        next(new Operation.AppendUpload({ repository, id, offset, body })),
        Effect.fail(Faulty.reset(Operation.errorFields(operation)))
      )
    })
  return Handler.override(next, { AppendUpload: partly, CompleteUpload: partly })
}

const upload = (kept: number | undefined, plan: Faulty.Plan = Faulty.none) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const { id } = yield* registry.startUpload(repository)
    const sent: Array<
      { readonly _tag: string; readonly offset?: number | undefined; readonly size?: number | undefined }
    > = []
    const counted: Handler.Handler = (operation) => {
      if (operation._tag === "AppendUpload" || operation._tag === "CompleteUpload") {
        sent.push({ _tag: operation._tag, offset: operation.offset, size: operation.body?.size })
      }
      return registry.handle(operation)
    }
    const faulty = Faulty.make(plan)
    const base = faulty.middleware(counted)
    const handle = Retry.middleware({ delay: 0 })(kept === undefined ? base : keeping(kept)(base))
    return { registry, handle, id, sent }
  })

describe("AppendUpload", () => {
  const append = (id: string, body: Body.Body, offset: number | undefined = 0) =>
    new Operation.AppendUpload({ repository, id, offset, body })

  it.effect.each(replayed)(
    "resumes a body that is $kind at the offset of the upload",
    ({ body }) =>
      Effect.gen(function*() {
        for (const kept of [0, 1, 20, 39]) {
          const { handle, id, registry, sent } = yield* upload(kept)
          expect(yield* handle(append(id, body()))).toMatchObject({ offset: 40 })
          expect(sent).toEqual([{ _tag: "AppendUpload", offset: 0, size: kept }, {
            _tag: "AppendUpload",
            offset: kept,
            size: 40 - kept
          }])
          yield* registry.completeUpload(repository, id, digest)
          yield* isStored(registry)
        }
      }).pipe(memory)
  )

  it.effect.each([...replayed, ...once])(
    "counts a body that is $kind as sent if only the response was lost",
    ({ body }) =>
      Effect.gen(function*() {
        const { handle, id, sent } = yield* upload(undefined, Faulty.operation(1, { _tag: "Lose" }))
        expect(yield* handle(append(id, body()))).toMatchObject({ offset: 40 })
        expect(sent).toHaveLength(1)
      }).pipe(memory)
  )

  it.effect.each(once)("resumes a body that is $kind if it was not read yet", ({ body }) =>
    Effect.gen(function*() {
      const { handle, id } = yield* upload(undefined, Faulty.operation(1, { _tag: "Fail" }))
      expect(yield* handle(append(id, body()))).toMatchObject({ offset: 40 })
    }).pipe(memory))

  it.effect.each(once)(
    "fails with the reason if a body that is $kind was read",
    ({ body }) =>
      Effect.gen(function*() {
        const { handle, id } = yield* upload(undefined, Faulty.operation(1, cut(20)))
        expect((yield* Effect.flip(handle(append(id, body())))).message).toBe(
          "AppendUpload team/app: connection reset; not retried: the body was read and cannot be replayed"
        )
      }).pipe(memory)
  )

  it.effect.each([
    { name: "an upload that has nothing", before: 0, fault: cut(20) },
    { name: "a registry that refused it", before: 7, fault: tooMany }
  ])("without an offset, sends again to $name", ({ before, fault }) =>
    Effect.gen(function*() {
      const { handle, id, registry } = yield* upload(undefined, Faulty.operation(1, fault))
      yield* registry.appendUpload(repository, id, Body.bytes(content.subarray(0, before)))
      const unsaid = new Operation.AppendUpload({ repository, id, body: Body.bytes(content) })
      expect(yield* handle(unsaid)).toMatchObject({ offset: before + 40 })
    }).pipe(memory))

  it.effect("without an offset, fails because the state of the upload is unknown", () =>
    Effect.gen(function*() {
      const { handle, id, registry, sent } = yield* upload(undefined, Faulty.operation(1, cut(20)))
      yield* registry.appendUpload(repository, id, Body.bytes(content))
      const unsaid = new Operation.AppendUpload({ repository, id, body: Body.bytes(content) })
      expect((yield* Effect.flip(handle(unsaid))).message).toContain(
        "connection reset; not retried: the operation has no offset, so it is unknown which bytes of the body the upload has"
      )
      expect(sent).toHaveLength(1)
    }).pipe(memory))

  it.effect("fails if another client has continued the upload", () =>
    Effect.gen(function*() {
      const { handle, id, registry } = yield* upload(undefined, Faulty.operation(1, { _tag: "Fail" }))
      yield* registry.appendUpload(repository, id, Body.bytes(new Uint8Array(50)))
      expect((yield* Effect.flip(handle(append(id, Body.bytes(content))))).message).toContain(
        "not retried: the upload has 50 bytes, which is not within the body"
      )
    }).pipe(memory))

  it.effect("fails with the first error if the upload session has ended", () =>
    Effect.gen(function*() {
      const { handle, id, registry } = yield* upload(undefined, Faulty.operation(1, { _tag: "Fail" }))
      yield* registry.cancelUpload(repository, id)
      expect(yield* Effect.flip(handle(append(id, Body.bytes(content))))).toMatchObject({ reason: "connection reset" })
    }).pipe(memory))

  it.effect("retries the request for the offset of the upload", () =>
    Effect.gen(function*() {
      const plan = Faulty.all(
        Faulty.operation(1, cut(20)),
        Faulty.operation(1, { _tag: "Fail" }, { ...only("GetUpload"), times: 2 })
      )
      const { handle, id, sent } = yield* upload(undefined, plan)
      expect(yield* handle(append(id, Body.bytes(content)))).toMatchObject({ offset: 40 })
      expect(sent).toHaveLength(2)
    }).pipe(memory))

  it.effect("succeeds if an earlier attempt was executed late", () =>
    Effect.gen(function*() {
      const { registry } = yield* upload(undefined)
      const { id } = yield* registry.startUpload(repository)
      let attempts = 0
      const late = Handler.override(registry.handle, {
        AppendUpload: (operation) =>
          Effect.suspend(() => {
            attempts += 1
            if (attempts === 1) return Effect.fail(Faulty.reset(Operation.errorFields(operation)))
            // The first attempt arrives late, just before the second.
            return Effect.zipRight(
              registry.appendUpload(repository, id, Body.bytes(content)),
              registry.handle(operation)
            )
          })
      })
      const handle = Retry.middleware({ delay: 0 })(late)
      expect(yield* handle(append(id, Body.bytes(content)))).toMatchObject({ offset: 40 })
      expect(attempts).toBe(2)
    }).pipe(memory))
})

describe("CompleteUpload", () => {
  const complete = (id: string, body: Body.Body | undefined, offset?: number) =>
    new Operation.CompleteUpload({ repository, id, digest, body, offset })

  it.effect.each([...replayed, ...once])(
    "counts a body that is $kind as sent if only the response was lost",
    ({ body }) =>
      Effect.gen(function*() {
        const { handle, id, registry, sent } = yield* upload(undefined, Faulty.operation(1, { _tag: "Lose" }))
        expect(yield* handle(complete(id, body()))).toEqual(descriptor)
        expect(sent).toHaveLength(1)
        yield* isStored(registry)
      }).pipe(memory)
  )

  it.effect.each(replayed)(
    "resumes a body that is $kind at the offset of the upload",
    ({ body }) =>
      Effect.gen(function*() {
        for (const kept of [0, 1, 39, 40]) {
          const { handle, id, registry, sent } = yield* upload(kept)
          expect(yield* handle(complete(id, body(), 0))).toEqual(descriptor)
          const last = { _tag: "CompleteUpload", offset: kept, size: kept === 40 ? undefined : 40 - kept }
          expect(sent).toEqual([{ _tag: "AppendUpload", offset: 0, size: kept }, last])
          yield* isStored(registry)
          yield* registry.deleteBlob(repository, digest)
        }
      }).pipe(memory)
  )

  it.effect("with a whole blob, sends it again and retries the check for the blob", () =>
    Effect.gen(function*() {
      const away = (tag: Operation.OperationTag) => Faulty.operation(1, { _tag: "Fail" }, { ...only(tag), times: 2 })
      const plan = Faulty.all(Faulty.operation(1, { _tag: "Lose" }), away("GetUpload"), away("ResolveBlob"))
      const lost = yield* upload(undefined, plan)
      expect(yield* lost.handle(complete(lost.id, Body.bytes(content)))).toEqual(descriptor)
      expect(lost.sent).toHaveLength(1)
      yield* lost.registry.deleteBlob(repository, digest)
      const broken = yield* upload(undefined, Faulty.operation(1, cut(20)))
      expect(yield* broken.handle(complete(broken.id, Body.bytes(content)))).toEqual(descriptor)
      expect(broken.sent).toHaveLength(2)
    }).pipe(memory))

  it.effect("retries without a body", () =>
    Effect.gen(function*() {
      const { handle, id, registry } = yield* upload(undefined, Faulty.operation(1, { _tag: "Fail" }))
      yield* registry.appendUpload(repository, id, Body.bytes(content))
      expect(yield* handle(complete(id, undefined))).toEqual(descriptor)
    }).pipe(memory))

  it.effect("fails with the first error if the upload session has ended and the blob does not exist", () =>
    Effect.gen(function*() {
      const { handle, id, registry } = yield* upload(undefined, Faulty.operation(1, { _tag: "Fail" }))
      yield* registry.cancelUpload(repository, id)
      expect(yield* Effect.flip(handle(complete(id, Body.bytes(content))))).toMatchObject({
        reason: "connection reset"
      })
    }).pipe(memory))

  it.effect("does not retry content with a wrong digest", () =>
    Effect.gen(function*() {
      const { handle, id, sent } = yield* upload(undefined)
      const wrong = new Operation.CompleteUpload({
        repository,
        id,
        digest: Digest.fromBytes(new Uint8Array(1)),
        body: Body.bytes(content)
      })
      expect(yield* Effect.flip(handle(wrong))).toBeInstanceOf(RegistryError.DigestInvalid)
      expect(sent).toHaveLength(1)
    }).pipe(memory))
})
