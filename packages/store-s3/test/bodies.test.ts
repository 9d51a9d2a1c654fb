/** Bodies of sizes at the edges of parts, in chunks of any size, and bodies that break at each chunk. */
import type { Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as S3 from "@effect-oci/testing/S3"
import { it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { describe, expect } from "vitest"
import { bytes, chunked, key, leftovers, readAll } from "./contents.js"
import { openStore } from "./services.js"

const partSize = 100
const sizes = [0, 1, 99, 100, 101, 199, 200, 201, 300]
const chunkSizes = [1, 30, 100, 101, 1000]

const withStore = <A, E>(test: (store: Service, s3: S3.S3) => Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const s3 = S3.make({ minPartSize: partSize })
    return Effect.flatMap(openStore(s3, { partSize, retry: Schedule.stop }), (store) => test(store, s3))
  })

const isStored = (store: Service, n: number, content: Uint8Array) =>
  Effect.map(readAll(store, key(n)), (read) => expect(Buffer.compare(read, content)).toBe(0))

/** Opens an upload and appends bodies. Returns the token and the offset after the last one. */
const upload = (store: Service, bodies: ReadonlyArray<ReturnType<typeof chunked>>) =>
  Effect.gen(function*() {
    let state: { readonly token: UploadToken; readonly offset: number } = {
      token: yield* store.openUpload({ id: "upload", key: key(1) }),
      offset: 0
    }
    for (const [n, body] of bodies.entries()) {
      state = yield* store.append({ ...state, fence: n + 1, body }).pipe(
        Effect.catchTag("OciStoreBodyBroken", (error) =>
          error.appended === undefined ? Effect.fail(error) : Effect.succeed(error.appended))
      )
    }
    return state
  })

describe("sizes at the edges of parts", () => {
  for (const size of sizes) {
    it.live(`${size} bytes in parts of ${partSize}`, () =>
      Effect.gen(function*() {
        const content = bytes(size)
        for (const chunk of chunkSizes) {
          yield* withStore((store, s3) =>
            Effect.gen(function*() {
              expect(yield* store.put({ key: key(1), body: chunked(content, chunk) })).toBe(size)
              yield* isStored(store, 1, content)
              expect(leftovers(s3)).toEqual([])
            })
          )
        }
        for (const split of sizes.filter((split) => split <= size)) {
          yield* withStore((store, s3) =>
            Effect.gen(function*() {
              const bodies = [content.subarray(0, split), content.subarray(split)].map((half) => chunked(half, 30))
              const { offset, token } = yield* upload(store, bodies)
              expect(offset).toBe(size)
              yield* store.commit({ token, size })
              yield* isStored(store, 1, content)
              expect(leftovers(s3)).toEqual([])
            })
          )
        }
      }))
  }
})

describe("bodies that break", () => {
  const content = bytes(330)
  const breaks = Array.from({ length: 12 }, (_, n) => n * 30)

  it.live("a put stores nothing", () =>
    Effect.forEach(breaks, (at) =>
      withStore((store, s3) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(
            store.put({ key: key(1), body: chunked(content.subarray(0, at), 30, "broken") })
          )
          expect(error._tag).toBe("OciStoreBodyBroken")
          expect([...s3.objects().keys(), ...leftovers(s3)]).toEqual([])
        })
      )))

  it.live("an append continues after the bytes that it stored", () =>
    Effect.forEach(breaks, (at) =>
      withStore((store, s3) =>
        Effect.gen(function*() {
          const broken = yield* upload(store, [chunked(content.subarray(0, at), 30, "broken")])
          expect(broken.offset).toBeLessThanOrEqual(at)
          const rest = chunked(content.subarray(broken.offset), 30)
          const { offset, token } = yield* store.append({ ...broken, fence: 2, body: rest })
          yield* store.commit({ token, size: offset })
          yield* isStored(store, 1, content)
          expect(leftovers(s3)).toEqual([])
        })
      )))
})

it.live(
  "an interrupted read ends at once, although S3 does not answer",
  () =>
    withStore((store, s3) =>
      Effect.gen(function*() {
        yield* store.put({ key: key(1), body: chunked(bytes(10), 10) })
        s3.script([{ operation: "GetObject", fault: { _tag: "Fail", outcome: "stall" } }])
        const fiber = yield* Effect.fork(readAll(store, key(1)))
        while (s3.calls.length === 0) yield* Effect.sleep(1)
        yield* Fiber.interrupt(fiber)
      })
    ),
  5_000
)

for (const operation of ["UploadPart", "CompleteMultipartUpload", "ListObjectsV2"] as const) {
  it.live(`an interrupted commit runs to its end: ${operation}`, () =>
    withStore((store, s3) =>
      Effect.gen(function*() {
        const content = bytes(150)
        const { offset, token } = yield* upload(store, [chunked(content, 30)])
        s3.script([{ operation, fault: { _tag: "Slow", answer: "50 millis" } }])
        const fiber = yield* Effect.fork(store.commit({ token, size: offset }))
        while (!s3.calls.some((call) => call.operation === operation)) yield* Effect.sleep(1)
        yield* Fiber.interrupt(fiber)
        yield* isStored(store, 1, content)
        expect(leftovers(s3)).toEqual([])
      })
    ))
}
