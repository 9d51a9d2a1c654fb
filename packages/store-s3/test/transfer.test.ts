import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as S3 from "@effect-oci/testing/S3"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { v7 } from "uuid"
import { part, readAll } from "./contents.js"
import { openStore } from "./services.js"

const nextKey = () => BlobKey(v7())

const content = new Uint8Array(100_000).map((_, n) => n % 251)

describe("a read", () => {
  for (const how of ["fails", "ends"] as const) {
    it.live(`resumes after the last byte received if its body ${how} early`, () =>
      Effect.gen(function*() {
        const s3 = S3.make()
        const store = yield* openStore(s3)
        const key = nextKey()
        yield* store.put({ key, body: Body.bytes(content) })
        const part = { offset: 500, length: 40_000 }
        // The answer to a read of a whole object has no second length, so a short one seems complete.
        for (const span of how === "ends" ? [part] : [undefined, part]) {
          s3.script([{ operation: "GetObject", times: 3, fault: { _tag: "Cut", after: 1000, how } }])
          const expected = span === undefined ? content : content.subarray(span.offset, span.offset + span.length)
          assert.isTrue(Buffer.from(yield* readAll(store, key, span)).equals(expected))
          assert.strictEqual(s3.calls.length, 4)
        }
      }))
  }

  it.live("fails with Unavailable if the body breaks each time", () =>
    Effect.gen(function*() {
      const s3 = S3.make()
      const store = yield* openStore(s3)
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(content) })
      s3.script([{ operation: "GetObject", times: 100, fault: { _tag: "Cut", after: 10 } }])
      const error = yield* Effect.flip(readAll(store, key))
      assert.strictEqual(error._tag, "OciUnavailable")
      assert.instanceOf((error as RegistryError.Unavailable).cause, StoreError.Failed)
    }))

  it.live("fails with Truncated if the blob was lost in between", () =>
    Effect.gen(function*() {
      const s3 = S3.make()
      const store = yield* openStore(s3)
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(content) })
      s3.script([{ operation: "GetObject", fault: { _tag: "Cut", after: 10 } }])
      const error = yield* Effect.scoped(Effect.gen(function*() {
        const body = yield* store.read(key)
        yield* store.delete([key])
        return yield* Effect.flip(Body.forEachChunk(body, () => {}))
      }))
      assert.deepEqual((error as RegistryError.Unavailable).cause, new StoreError.Truncated({ key, size: 0 }))
    }))
})

/** A body of chunks that counts the bytes that were taken from it. */
const counted = (size: number, count: { taken: number }) =>
  Body.fromSource((sink) => {
    let left = size
    let isPaused = false
    let isOver = false
    const flow = () => {
      if (isOver || isPaused) return
      if (left === 0) {
        isOver = true
        return sink.end()
      }
      const chunk = new Uint8Array(Math.min(left, 4096))
      left -= chunk.byteLength
      count.taken += chunk.byteLength
      isPaused = !sink.data(chunk)
      setImmediate(flow)
    }
    setImmediate(flow)
    return {
      resume: () => {
        isPaused = false
        setImmediate(flow)
      },
      cancel: () => {
        isOver = true
      }
    }
  })

describe("the memory of uploads", () => {
  const slow: S3.Rule = { operation: "UploadPart", times: 1000, fault: { _tag: "Slow", answer: 20 } }

  /** Puts bodies, and returns the largest number of bytes that were taken from them but are not in S3 yet. */
  const held = (bodies: number, options: { readonly concurrency?: number; readonly memory?: number }) =>
    Effect.gen(function*() {
      const s3 = S3.make({ minPartSize: part, faults: [slow] })
      const store = yield* openStore(s3, { partSize: part, ...options })
      const count = { taken: 0 }
      let most = 0
      const size = 6 * part
      const sent = () => s3.calls.filter(({ operation, status }) => operation === "UploadPart" && status === 200).length
      const watch = setInterval(() => {
        most = Math.max(most, count.taken - sent() * part)
      }, 1)
      yield* Effect.forEach(
        Array.from({ length: bodies }, nextKey),
        (key) => store.put({ key, body: counted(size, count) }),
        { concurrency: "unbounded" }
      )
      clearInterval(watch)
      assert.strictEqual(count.taken, bodies * size)
      return most
    })

  it.live("has at most one part more than those that are sent at the same time", () =>
    Effect.gen(function*() {
      for (const concurrency of [1, 3]) {
        // A chunk is read ahead, to know whether a part is the last one.
        assert.isAtMost(yield* held(1, { concurrency }), (concurrency + 1) * part + 4096)
      }
    }))

  it.live("is limited for all uploads together", () =>
    Effect.gen(function*() {
      assert.isAtMost(yield* held(20, { memory: 5 * part }), 5 * part + 20 * 4096)
    }))

  it.live("is released by uploads that end early", () =>
    Effect.gen(function*() {
      const store = yield* openStore(S3.make({ minPartSize: part }), { partSize: part, memory: part })
      for (let n = 0; n < 20; n++) {
        const broken = Body.concat([
          Body.bytes(new Uint8Array(2 * part)),
          Body.fail(new RegistryError.BodyFailed({ reason: "broken" }))
        ])
        const put = store.put({ key: nextKey(), body: broken })
        if (n % 2 === 0) yield* Effect.flip(put)
        else yield* Effect.timeoutOption(Effect.either(put), n / 2)
      }
      assert.strictEqual(yield* store.put({ key: nextKey(), body: counted(3 * part, { taken: 0 }) }), 3 * part)
    }))
})
