import * as Body from "@effect-oci/core/Body"
import { BlobKey } from "@effect-oci/store/BlobStore"
import type { Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as S3 from "@effect-oci/testing/S3"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { v7 } from "uuid"
import { filled, part, readAll } from "./contents.js"
import { openStore } from "./services.js"

/** Two servers that share a bucket, and a new key. */
const twoNodes = Effect.gen(function*() {
  const s3 = S3.make({ minPartSize: part })
  const one = yield* openStore(s3, { partSize: part })
  const other = yield* openStore(s3, { partSize: part })
  return { s3, one, other, key: BlobKey(v7()) }
})

const append = (store: Service, token: UploadToken, fence: number, offset: number, content: Uint8Array) =>
  store.append({ token, fence, offset, body: Body.bytes(content) })

const isConsistent = (content: Uint8Array, size: number, ...seeds: ReadonlyArray<number>) => {
  assert.strictEqual(content.byteLength, size)
  assert.isTrue(seeds.some((seed) => content.every((byte) => byte === seed)), "bytes of two requests are mixed")
}

describe("an upload at two servers", () => {
  it.live("continues at the other server, in chunks of any size", () =>
    Effect.gen(function*() {
      const { key, one, other, s3 } = yield* twoNodes
      let token = yield* one.openUpload({ id: "upload", key })
      let offset = 0
      const sizes = [10, part, 5, 5, 3 * part - 20, 1, 2 * part, 7]
      for (const [n, size] of sizes.entries()) {
        const appended = yield* append(n % 2 === 0 ? one : other, token, n + 1, offset, filled(size, 7))
        assert.strictEqual(appended.offset, offset + size)
        ;({ offset, token } = appended)
      }
      yield* other.commit({ token, size: offset })
      isConsistent(yield* readAll(one, key), sizes.reduce((sum, size) => sum + size), 7)
      assert.deepEqual([...s3.objects().keys()], [`registry/blobs/${key}`])
      assert.strictEqual(s3.uploads().size, 0)
    }))

  // The metadata store decides which of the two tokens counts.
  for (const winner of [0, 1] as const) {
    it.live(`keeps the bytes of the request whose token counts: the ${["first", "second"][winner]}`, () =>
      Effect.gen(function*() {
        for (const size of [100, part, 2 * part + 100]) {
          const { key, one, other, s3 } = yield* twoNodes
          const token = yield* one.openUpload({ id: "upload", key })
          const both = yield* Effect.all([
            append(one, token, 1, 0, filled(size, 1)),
            append(other, token, 2, 0, filled(size, 2))
          ], { concurrency: 2 })
          yield* other.commit({ token: both[winner].token, size })
          isConsistent(yield* readAll(one, key), size, winner + 1)
          assert.deepEqual([...s3.objects().keys()], [`registry/blobs/${key}`])
          assert.strictEqual(s3.uploads().size, 0)
        }
      }))
  }

  it.live("never mixes bytes if both servers replaced the same part", () =>
    Effect.gen(function*() {
      const { key, one, other } = yield* twoNodes
      const { token } = yield* append(one, yield* one.openUpload({ id: "upload", key }), 1, 0, filled(part, 1))
      const late = yield* append(other, token, 3, part, filled(part, 1))
      yield* append(one, token, 2, part, filled(part, 2))
      const error = yield* Effect.flip(other.commit({ token: late.token, size: 2 * part }))
      assert.strictEqual(error._tag, "OciStoreUploadUnknown")
      assert.deepEqual(yield* one.list(undefined, 10), [])
    }))

  it.live("is committed or aborted, if both happen at once", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 10; n++) {
        const { key, one, other, s3 } = yield* twoNodes
        const size = n % 2 === 0 ? 100 : 2 * part + 100
        const { token } = yield* append(one, yield* one.openUpload({ id: "upload", key }), 1, 0, filled(size, 1))
        const commit = yield* Effect.fork(Effect.either(one.commit({ token, size })))
        yield* Effect.sleep(n)
        yield* other.abort(token)
        const committed = yield* Fiber.join(commit)
        if (committed._tag === "Right") isConsistent(yield* readAll(other, key), size, 1)
        else assert.include(["OciStoreUploadUnknown", "OciStoreFailed"], committed.left._tag)
        // What the race left is found by a list, and removed as garbage.
        yield* other.abort(token)
        yield* other.delete([key])
        assert.deepEqual([...s3.objects().keys()], [])
        assert.strictEqual(s3.uploads().size, 0)
      }
    }))

  it.live("ends at the server that does not know of its end", () =>
    Effect.gen(function*() {
      const { key, one, other } = yield* twoNodes
      const opened = yield* one.openUpload({ id: "upload", key })
      const { token } = yield* append(one, opened, 1, 0, filled(part, 1))
      yield* one.abort(token)
      assert.strictEqual(
        (yield* Effect.flip(append(other, token, 2, part, filled(10, 1))))._tag,
        "OciStoreUploadUnknown"
      )
      assert.strictEqual((yield* Effect.flip(other.commit({ token, size: part })))._tag, "OciStoreUploadUnknown")
    }))
})
