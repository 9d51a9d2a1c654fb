import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import type { Service } from "@effect-oci/store/BlobStore"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as S3 from "@effect-oci/testing/S3"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { v7 } from "uuid"
import { filled, part, readAll } from "./contents.js"
import { openStore } from "./services.js"

const nextKey = () => BlobKey(v7())

/** The contents of all blobs of a history. */
const contents = {
  small: filled(1000, 1),
  large: filled(part + 10, 2),
  uploaded: filled(part + 20, 3),
  short: filled(300, 4)
}

/** What a history acknowledged. */
class Acknowledged {
  readonly stored = new Map<BlobKey, Uint8Array>()
  readonly errors: Array<{ readonly _tag: string; readonly cause?: unknown }> = []

  readonly note = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
    Effect.map(Effect.either(effect), (result) => {
      if (Either.isLeft(result)) this.errors.push(result.left)
      return Either.getOrUndefined(result)
    })
}

/** Puts a blob, as the parts of the history do. */
const put = (store: Service, { note, stored }: Acknowledged, content: Uint8Array) =>
  Effect.gen(function*() {
    const key = nextKey()
    const size = content.byteLength
    const digest = Digest.fromBytes(content)
    const body = Body.verify(Body.bytes(content), { digest, size })
    if ((yield* note(store.put({ key, body, size, digest }))) !== undefined) stored.set(key, content)
    return key
  })

/** Uploads a blob in two chunks. */
const upload = (store: Service, { note, stored }: Acknowledged, content: Uint8Array, first: number) =>
  Effect.gen(function*() {
    const key = nextKey()
    const token = yield* note(store.openUpload({ id: "upload", key }))
    if (token === undefined) return
    const append = (token: Parameters<Service["append"]>[0]["token"], fence: number, offset: number, end?: number) =>
      note(store.append({ token, fence, offset, body: Body.bytes(content.subarray(offset, end)) }))
    const one = yield* append(token, 1, 0, first)
    if (one === undefined) return
    const two = yield* append(one.token, 2, one.offset)
    if (two === undefined) return
    if ((yield* note(Effect.as(store.commit({ token: two.token, size: content.byteLength }), true))) === true) {
      stored.set(key, content)
    }
  })

const history = (store: Service) =>
  Effect.gen(function*() {
    const acknowledged = new Acknowledged()
    const deleted = yield* put(store, acknowledged, contents.small)
    yield* put(store, acknowledged, contents.large)
    yield* upload(store, acknowledged, contents.uploaded, part + 10)
    yield* upload(store, acknowledged, contents.short, 100)
    const gone = yield* acknowledged.note(store.delete([deleted]))
    // A delete that failed may have taken effect.
    if (gone === undefined || gone.includes(deleted)) acknowledged.stored.delete(deleted)
    yield* acknowledged.note(store.list(undefined, 10))
    yield* acknowledged.note(store.listUploads(undefined, 10))
    return acknowledged
  })

/** Checks what is visible: all that was acknowledged, and otherwise only complete blobs. */
const check = (store: Service, { stored }: Acknowledged) =>
  Effect.gen(function*() {
    for (const [key, content] of stored) assert.isTrue((yield* readAll(store, key)).equals(content), key)
    for (const { key } of yield* store.list(undefined, 1000)) {
      const found = yield* readAll(store, key)
      assert.isTrue(Object.values(contents).some((content) => found.equals(content)), key)
    }
    for (const { token } of yield* store.listUploads(undefined, 1000)) yield* store.abort(token)
    assert.deepEqual(yield* store.listUploads(undefined, 10), [])
  })

/** Faults by name, and for how many calls they last. The store gives up after 4 tries. `repeats.test.ts` has more faults. */
const faults: ReadonlyArray<readonly [name: string, fault: S3.Fault, times: number]> = [
  ["loses its connection each time", { _tag: "Fail" }, 100],
  ["takes effect each time, and loses its connection", { _tag: "Lose" }, 100],
  ["is answered 503 SlowDown, but not the third time", { _tag: "Fail", outcome: S3.failures.slowDown }, 2],
  ["takes effect, but is answered 500 the first time", { _tag: "Lose", outcome: S3.failures.internalError }, 1]
]

const expected = new Set(["OciStoreFailed", "OciStoreUploadUnknown", "OciStoreOffsetMismatch", "OciStoreBodyBroken"])

describe("if the k-th call of S3 fails, for every k", () => {
  for (const [name, fault, times] of faults) {
    it.live(`and ${name}, the store is consistent, and a repetition succeeds`, () =>
      Effect.gen(function*() {
        for (let k = 1, fired = true; fired; k++) {
          const s3 = S3.make({ minPartSize: part })
          const store = yield* openStore(s3, { partSize: part })
          s3.script([{ nth: k, times, fault }])
          const broken = yield* history(store)
          fired = s3.calls.some((call) => call.fault !== undefined)
          for (const error of broken.errors) assert.include([...expected], error._tag)
          if (times < 4) assert.deepEqual(broken.errors, [])
          s3.script([])
          yield* check(store, broken)
          if (!fired || k % 8 === 0) {
            const repeated = yield* history(store)
            assert.deepEqual(repeated.errors, [])
            yield* check(store, repeated)
          }
        }
      }), 300_000)
  }
})
