/**
 * Each call that the store makes fails, in each way in which S3 fails. The caller sees a typed error and repeats the
 * operation. Then the store has what it would have without the fault, and S3 has nothing else.
 */
import * as Body from "@effect-oci/core/Body"
import type { Service, UploadToken } from "@effect-oci/store/BlobStore"
import * as S3 from "@effect-oci/testing/S3"
import { it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { describe, expect } from "vitest"
import { bytes, chunked, key, leftovers, readAll } from "./contents.js"
import { openStore } from "./services.js"

const partSize = 1000

/** The store repeats no call, so that each fault is an error of the store. */
const once = { partSize, retry: Schedule.stop }

/** Runs an operation of the store, and again while it fails. */
type Step = <A, E extends { readonly _tag: string }>(operation: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** A program that uses a store. Returns the blobs that the store has in the end, by number of their key. */
type Scenario = (
  store: Service,
  step: Step
) => Effect.Effect<ReadonlyArray<readonly [number, Uint8Array]>, { readonly _tag: string }>

/** The next fence of an upload. */
let fence = 0

const append = (store: Service, step: Step, token: UploadToken, offset: number, content: Uint8Array) =>
  step(Effect.suspend(() => store.append({ token, fence: ++fence, offset, body: chunked(content, 300) })))

const upload = (store: Service, step: Step, n: number, ...chunks: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function*() {
    let token = yield* step(store.openUpload({ id: `upload ${n}`, key: key(n) }))
    let offset = 0
    for (const chunk of chunks) {
      const appended = yield* append(store, step, token, offset, chunk)
      expect(appended.offset).toBe(offset + chunk.byteLength)
      ;({ offset, token } = appended)
    }
    return { offset, token }
  })

const large = bytes(2 * partSize + 100)

const isBlob2 = (content: Uint8Array) => Buffer.compare(content, bytes(100, 2)) === 0

const scenarios: { readonly [title: string]: Scenario } = {
  "a small blob is put, read and deleted": (store, step) =>
    Effect.gen(function*() {
      yield* Effect.forEach([1, 2, 3], (n) => step(store.put({ key: key(n), body: Body.bytes(bytes(100, n)) })))
      // The caller knows the size and the digest of the blob.
      const read = Effect.filterOrFail(readAll(store, key(2)), isBlob2, () => ({ _tag: "OciStoreFailed" }))
      expect(isBlob2(yield* step(read))).toBe(true)
      expect((yield* step(store.list(undefined, 10))).map((stored) => stored.key)).toEqual([key(1), key(2), key(3)])
      const gone = yield* step(store.delete([key(1), key(3)]))
      yield* step(store.delete([key(1), key(3)].filter((each) => !gone.includes(each))))
      return [[2, bytes(100, 2)]]
    }),
  "a large blob is put": (store, step) =>
    Effect.gen(function*() {
      yield* step(store.put({ key: key(1), body: chunked(large, 300) }))
      return [[1, large]]
    }),
  "an upload in small chunks": (store, step) =>
    Effect.gen(function*() {
      const chunks = [bytes(10, 1), bytes(300, 2), bytes(20, 3)]
      const { offset, token } = yield* upload(store, step, 1, ...chunks)
      yield* step(store.commit({ token, size: offset }))
      return [[1, Buffer.concat(chunks)]]
    }),
  "an upload in large chunks": (store, step) =>
    Effect.gen(function*() {
      const chunks = [bytes(partSize + 100, 1), bytes(partSize, 2)]
      const { offset, token } = yield* upload(store, step, 1, ...chunks)
      yield* step(store.commit({ token, size: offset }))
      return [[1, Buffer.concat(chunks)]]
    }),
  "an upload that is aborted": (store, step) =>
    Effect.gen(function*() {
      const { token } = yield* upload(store, step, 1, bytes(partSize + 100))
      expect((yield* step(store.listUploads(undefined, 10))).map((open) => open.key)).toEqual([key(1)])
      yield* step(store.abort(token))
      return []
    })
}

interface Kind {
  readonly fault: S3.Fault
  /** Whether an operation can fail in this way. Default: every one can. */
  readonly can?: (operation: S3.Operation) => boolean
}

const within200 = { ...S3.failures.internalError, status: 200 }

const faults: { readonly [title: string]: Kind } = {
  "the connection closes": { fault: { _tag: "Fail" } },
  "the answer is lost": { fault: { _tag: "Lose" } },
  "status 500": { fault: { _tag: "Fail", outcome: S3.failures.internalError } },
  "status 500 after the effect": { fault: { _tag: "Lose", outcome: S3.failures.internalError } },
  "status 503": { fault: { _tag: "Fail", outcome: S3.failures.slowDown } },
  "status 403": { fault: { _tag: "Fail", outcome: S3.failures.accessDenied } },
  "an error within a 200": {
    fault: { _tag: "Fail", outcome: within200 },
    can: (operation) => operation === "CompleteMultipartUpload"
  },
  "an error within a 200 after the effect": {
    fault: { _tag: "Lose", outcome: within200 },
    can: (operation) => operation === "CompleteMultipartUpload"
  },
  "the body of the answer breaks": { fault: { _tag: "Cut", after: 5 } },
  "the body of the answer is short": { fault: { _tag: "Cut", after: 5, how: "ends" } },
  "an ETag is missing": { fault: { _tag: "NoETag" }, can: (operation) => operation === "UploadPart" },
  "some keys are not deleted": {
    fault: { _tag: "RefuseKeys", failure: S3.failures.internalError },
    can: (operation) => operation === "DeleteObjects"
  }
}

const options = { minPartSize: partSize }

/** The calls of a scenario without faults. */
const callsOf = (run: Scenario) =>
  Effect.gen(function*() {
    const s3 = S3.make(options)
    yield* run(yield* openStore(s3, once), (operation) => operation)
    return [...s3.calls]
  })

/** Expects that the store has these blobs, and no others. */
const holds = (store: Service, expected: ReadonlyArray<readonly [number, Uint8Array]>) =>
  Effect.gen(function*() {
    const listed = yield* store.list(undefined, 100)
    expect(listed).toEqual(expected.map(([n, { byteLength }]) => ({ key: key(n), size: byteLength })))
    for (const [n, content] of expected) {
      expect(Buffer.compare(yield* readAll(store, key(n)), content)).toBe(0)
    }
  })

/** Runs a scenario with faults. Expects that a repeat of each operation succeeds, and that S3 has nothing else in the end. */
const converges = (run: Scenario, dialect: S3.Dialect, rule: S3.Rule, where: string) =>
  Effect.gen(function*() {
    const s3 = S3.make({ ...options, dialect, faults: [rule] })
    const store = yield* openStore(s3, once)
    const seen: Array<string> = []
    const step: Step = (operation) =>
      Effect.tapError(operation, ({ _tag }) => Effect.sync(() => seen.push(_tag))).pipe(Effect.retry({ times: 3 }))
    const expected = yield* run(store, step)
    s3.script([])
    yield* holds(store, expected)
    const found = { where, unexpected: seen.filter((tag) => tag !== "OciStoreFailed"), left: leftovers(s3) }
    expect(found).toEqual({ where, unexpected: [], left: [] })
  }).pipe(Effect.mapError((error) => new Error(`${where}: ${JSON.stringify(error)}`)))

for (const [title, run] of Object.entries(scenarios)) {
  describe(title, () => {
    for (const [name, { can, fault }] of Object.entries(faults)) {
      it.live(`at each call: ${name}`, () =>
        Effect.gen(function*() {
          for (const { number, operation } of yield* callsOf(run)) {
            if (can?.(operation) === false) continue
            const where = `call ${number} (${operation})`
            yield* converges(run, "amazon", { nth: number, times: 2, fault }, where)
            yield* converges(run, "ceph", { nth: number, fault }, `${where} at Ceph`)
          }
        }))
    }

    for (const _tag of ["Fail", "Lose"] as const) {
      it.live(`interrupted at each call, ${_tag === "Fail" ? "before" : "after"} its effect`, () =>
        Effect.gen(function*() {
          for (const { number, operation } of yield* callsOf(run)) {
            // A commit waits for ten minutes until S3 has assembled a large blob.
            const fault: S3.Fault = operation === "CompleteMultipartUpload"
              ? { _tag: "Slow", answer: "20 millis" }
              : { _tag, outcome: "stall" }
            const s3 = S3.make({ ...options, faults: [{ nth: number, fault }] })
            const store = yield* openStore(s3, { ...once, timeout: "100 millis" })
            const fiber = yield* Effect.fork(run(store, (operation) => operation))
            while (s3.calls.length < number && fiber.unsafePoll() === null) yield* Effect.sleep(1)
            yield* Fiber.interrupt(fiber)
            s3.script([])
            yield* isClean(s3, `interrupted at call ${number} (${operation})`)
          }
        }))
    }
  })
}

/** Expects that an S3 has nothing that the lists of a store do not show, so that a collector finds it. */
const isClean = (s3: S3.S3, where: string) =>
  Effect.gen(function*() {
    const store = yield* openStore(s3, once)
    for (const { token } of yield* store.listUploads(undefined, 100)) yield* store.abort(token)
    const blobs = yield* store.list(undefined, 100)
    yield* store.delete(blobs.map((blob) => blob.key))
    expect({ where, left: [...s3.objects().keys(), ...leftovers(s3)] }).toEqual({ where, left: [] })
  })

describe("a call without an answer ends at its limit", () => {
  const stalled = (
    operation: S3.Operation,
    use: (store: Service, token: UploadToken) => Effect.Effect<unknown, unknown>
  ) =>
    Effect.gen(function*() {
      const s3 = S3.make(options)
      const store = yield* openStore(s3, once)
      const { token } = yield* upload(store, (first) => first, 1, bytes(100))
      yield* store.put({ key: key(2), body: Body.bytes(bytes(100)) })
      s3.script([{ operation, fault: { _tag: "Fail", outcome: "stall" } }])
      const limited = yield* openStore(s3, { ...once, timeout: "1 second" })
      expect(yield* Effect.flip(use(limited, token))).toMatchObject({ _tag: "OciStoreFailed" })
      expect(s3.calls.some(({ fault }) => fault !== undefined)).toBe(true)
    })

  it.live("in a read", () => stalled("GetObject", (store) => readAll(store, key(2))))
  it.live("in a commit", () => stalled("PutObject", (store, token) => store.commit({ token, size: 100 })))
  it.live("in an abort", () => stalled("ListObjectsV2", (store, token) => store.abort(token)))
})
