import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as states from "../src/internal/uploadState.js"

const md5 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex"))

const tail = fc.record({ fence: fc.nat(), size: fc.integer({ min: 1, max: 8e6 }), cut: fc.nat(100) })
  .map(({ cut, fence, size }) => ({ fence, size, used: Math.max(1, size - cut) }))

const state: fc.Arbitrary<states.UploadState> = fc.record({
  key: fc.uuid({ version: 7 }).map((key) => BlobKey(key)),
  id: fc.string(),
  partSize: fc.integer({ min: 1, max: 2 ** 33 }),
  fence: fc.nat(),
  uploadId: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  etags: fc.oneof(fc.array(md5), fc.array(fc.string({ minLength: 1 }))),
  tails: fc.array(tail, { maxLength: 4 })
})

describe("the token of an upload", () => {
  it("contains the whole state", () => {
    fc.assert(fc.property(state, (state) => assert.deepEqual(states.decode(states.encode(state)), state)))
  })

  it("is not accepted if it is damaged", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.isUndefined(states.decode(UploadToken(text)))
    }))
  })

  it("has less than 16 KiB for 5 GiB", () => {
    const etags = Array.from({ length: 640 }, () => crypto.randomUUID().replaceAll("-", ""))
    const opened = states.opened(BlobKey(crypto.randomUUID()), crypto.randomUUID(), 8 * 1024 * 1024)
    const token = states.encode({ ...opened, etags, uploadId: "u".repeat(128) })
    assert.isBelow(token.length, 14_200)
  })
})

describe("a state that is truncated", () => {
  const small = { ...states.opened(BlobKey("key"), "id", 100), uploadId: "u" }
  const etags = ["one", "two"]

  it("keeps whole parts, and the first bytes of tails", () => {
    const full = { ...small, etags, tails: [{ fence: 1, size: 30, used: 30 }, { fence: 2, size: 20, used: 20 }] }
    assert.strictEqual(states.sizeOf(full), 250)
    for (const size of [100, 200, 215, 230, 245, 250]) {
      const cut = states.truncate(full, size)
      assert.strictEqual(cut && states.sizeOf(cut), size)
    }
  })

  it("cannot end within a part", () => {
    assert.isUndefined(states.truncate({ ...small, etags }, 150))
  })

  it("begins a new multipart upload without its parts", () => {
    assert.deepInclude(states.truncate({ ...small, etags }, 0), { uploadId: undefined, etags: [], tails: [] })
  })
})
