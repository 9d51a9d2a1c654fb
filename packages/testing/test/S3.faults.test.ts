import * as NodeS3 from "@effect-oci/testing/NodeS3"
import * as S3 from "@effect-oci/testing/S3"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { it } from "@effect/vitest"
import { Duration, Effect, Either, Fiber, Option, TestClock } from "effect"
import { createHash } from "node:crypto"
import { describe, expect } from "vitest"
import { send, target } from "./suites/s3Client.js"

const put = (key: string, headers = {}) => send(target, "PUT", { key, body: "0123456789", headers })
const get = (key: string) => send(target, "GET", { key })

/** Runs a test with an S3 in memory. */
const withS3 = <A, E>(
  options: S3.Options,
  test: (s3: S3.S3) => Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof put>>>
) => {
  const s3 = S3.make(options)
  return test(s3).pipe(Effect.provide(S3.layer(s3)))
}

const keys = (s3: S3.S3) => [...s3.objects().keys()]

describe("outcomes", () => {
  for (const outcome of ["reset", S3.failures.internalError, S3.failures.slowDown, S3.failures.accessDenied] as const) {
    const name = outcome === "reset" ? outcome : outcome.code
    for (const _tag of ["Fail", "Lose"] as const) {
      it.effect(`${_tag}: ${name} ${_tag === "Fail" ? "instead of" : "after"} the effect`, () =>
        withS3({ faults: [{ fault: { _tag, outcome } }] }, (s3) =>
          Effect.gen(function*() {
            const answer = yield* Effect.either(put("a"))
            expect(keys(s3)).toEqual(_tag === "Fail" ? [] : ["a"])
            if (outcome === "reset") expect(Either.isLeft(answer)).toBe(true)
            else expect(Either.getOrThrow(answer)).toMatchObject({ status: outcome.status, code: outcome.code })
            expect((yield* put("b")).status).toBe(200)
          })))
    }
  }

  it.effect("does not answer, and a caller can stop waiting", () =>
    withS3({ faults: [{ fault: { _tag: "Lose", outcome: "stall" } }] }, (s3) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.timeoutOption(put("a"), "1 minute"))
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
        yield* TestClock.adjust("1 minute")
        expect(yield* Fiber.join(fiber)).toEqual(Option.none())
        expect([keys(s3), s3.calls[0]?.status]).toEqual([["a"], undefined])
      })))

  it.effect("sends an error within a 200", () =>
    withS3({
      faults: [{
        operation: "CompleteMultipartUpload",
        fault: { _tag: "Fail", outcome: { status: 200, code: "InternalError" } }
      }]
    }, () =>
      Effect.gen(function*() {
        const { all } = yield* send(target, "POST", { key: "a", query: { uploads: "" } })
        const uploadId = all("UploadId")[0] ?? ""
        const { code, status } = yield* send(target, "POST", { key: "a", query: { uploadId }, body: "" })
        expect([status, code]).toEqual([200, "InternalError"])
      })))
})

describe("bodies", () => {
  const read = (fault: S3.Fault) =>
    withS3({ faults: [{ operation: "GetObject", fault }] }, () => Effect.zipRight(put("a"), get("a")))

  it.effect("breaks a body", () =>
    Effect.gen(function*() {
      expect(Either.isLeft(yield* Effect.either(read({ _tag: "Cut", after: 4 })))).toBe(true)
    }))

  it.effect("shortens a body", () =>
    Effect.gen(function*() {
      const { headers, text } = yield* read({ _tag: "Cut", after: 4, how: "ends" })
      expect([text, headers["content-length"]]).toEqual(["0123", "4"])
    }))

  it.live("stops in a body", () =>
    Effect.gen(function*() {
      const answer = yield* Effect.timeoutOption(read({ _tag: "Cut", after: 4, how: "stalls" }), 50)
      expect(answer).toEqual(Option.none())
    }))

  it.effect("changes a byte", () =>
    Effect.gen(function*() {
      expect((yield* read({ _tag: "Corrupt" })).text).toBe("0123446789")
      expect((yield* read({ _tag: "Corrupt", at: 0 })).text).toBe("1123456789")
    }))

  it.live("sends slowly", () =>
    Effect.gen(function*() {
      const [duration, { text }] = yield* Effect.timed(read({ _tag: "Slow", answer: 20, piece: 10 }))
      expect(text).toBe("0123456789")
      expect(Duration.toMillis(duration)).toBeGreaterThanOrEqual(55)
    }))
})

it.effect("forgets the conditions of a write", () =>
  withS3({ faults: [{ nth: 2, fault: { _tag: "IgnoreConditions" } }] }, () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.all([1, 2, 3].map(() => put("a", { "if-none-match": "*" })))
      expect(statuses.map(({ status }) => status)).toEqual([200, 200, 412])
    })))

it.effect("leaves out the ETag", () =>
  withS3({ faults: [{ fault: { _tag: "NoETag" } }] }, () =>
    Effect.gen(function*() {
      const [first, second] = yield* Effect.all([put("a"), put("a")])
      expect([first.headers["etag"], second.headers["etag"]]).toEqual([
        undefined,
        "\"781e5e245d69b566979b86e28d23f2c7\""
      ])
    })))

it.effect("deletes some keys, and reports an error for the others", () =>
  withS3(
    { faults: [{ operation: "DeleteObjects", fault: { _tag: "RefuseKeys", failure: S3.failures.accessDenied } }] },
    (s3) =>
      Effect.gen(function*() {
        yield* Effect.forEach(["a", "b", "c"], (key) => put(key))
        const body = `<Delete>${["a", "b", "c"].map((key) => `<Object><Key>${key}</Key></Object>`).join("")}</Delete>`
        const md5 = createHash("md5").update(body).digest("base64")
        const answer = yield* send(target, "POST", { query: { delete: "" }, body, headers: { "content-md5": md5 } })
        expect([answer.status, answer.all("Deleted"), answer.all("Code")]).toEqual([
          200,
          ["<Key>b</Key>"],
          ["AccessDenied", "AccessDenied"]
        ])
        expect(keys(s3)).toEqual(["a", "c"])
      })
  ))

it.effect("lists a new key only after a while", () =>
  withS3({ listDelay: "1 second" }, () =>
    Effect.gen(function*() {
      const list = send(target, "GET", { query: { "list-type": "2" } })
      yield* put("a")
      expect([(yield* list).all("Key"), (yield* get("a")).status]).toEqual([[], 200])
      yield* TestClock.adjust("1 second")
      expect((yield* list).all("Key")).toEqual(["a"])
    })))

describe("scripts", () => {
  const fault: S3.Fault = { _tag: "Fail", outcome: S3.failures.slowDown }

  it.effect("chooses calls by operation, key and number", () =>
    withS3({}, (s3) =>
      Effect.gen(function*() {
        const program = Effect.all([put("a"), put("b"), get("a"), put("a"), put("b"), get("b")])
        const failed = (...faults: ReadonlyArray<S3.Rule>) => {
          s3.script(faults)
          return Effect.map(
            program,
            () => s3.calls.filter(({ code }) => code === "SlowDown").map(({ number }) => number)
          )
        }
        expect(yield* failed({ fault })).toEqual([1])
        expect(yield* failed({ fault, nth: 3 })).toEqual([3])
        expect(yield* failed({ fault, nth: 2, times: 2 })).toEqual([2, 3])
        expect(yield* failed({ fault, operation: "PutObject", nth: 3 })).toEqual([4])
        expect(yield* failed({ fault, key: "b", times: 2 })).toEqual([2, 5])
        expect(yield* failed({ fault, key: "b", operation: "GetObject" }, { fault, nth: 4 })).toEqual([4, 6])
        expect(yield* failed({ fault, times: Infinity })).toEqual([1, 2, 3, 4, 5, 6])
      })))

  it.effect("records the calls, so that a test can fail each of them", () =>
    withS3({}, (s3) =>
      Effect.gen(function*() {
        const program = Effect.all([put("a"), get("a"), get("b")])
        yield* program
        const calls = [...s3.calls]
        expect(calls).toEqual([
          { number: 1, operation: "PutObject", bucket: "bucket", key: "a", fault: undefined, status: 200 },
          { number: 2, operation: "GetObject", bucket: "bucket", key: "a", fault: undefined, status: 200 },
          {
            number: 3,
            operation: "GetObject",
            bucket: "bucket",
            key: "b",
            fault: undefined,
            status: 404,
            code: "NoSuchKey"
          }
        ])
        for (const { number } of calls) {
          s3.script([{ nth: number, fault: { _tag: "Fail" } }])
          expect(Either.isLeft(yield* Effect.either(program))).toBe(true)
          expect(s3.calls.length).toBe(number)
        }
      })))
})

describe("on the wire", () => {
  const over = (fault: S3.Fault) =>
    Effect.gen(function*() {
      const s3 = S3.make({ faults: [{ operation: "GetObject", fault }] })
      const { origin } = yield* NodeS3.serve(s3)
      const to = { ...target, origin }
      yield* send(to, "PUT", { key: "a", body: "0123456789" })
      return yield* send(to, "GET", { key: "a" }).pipe(Effect.timeoutOption(200), Effect.either)
    }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))

  it.live("closes the connection, in the head or in the body", () =>
    Effect.gen(function*() {
      expect(Either.isLeft(yield* over({ _tag: "Fail" }))).toBe(true)
      expect(Either.isLeft(yield* over({ _tag: "Lose" }))).toBe(true)
      expect(Either.isLeft(yield* over({ _tag: "Cut", after: 4 }))).toBe(true)
    }))

  it.live("keeps the connection open without an answer", () =>
    Effect.gen(function*() {
      expect(yield* over({ _tag: "Fail", outcome: "stall" })).toEqual(Either.right(Option.none()))
      expect(yield* over({ _tag: "Cut", after: 4, how: "stalls" })).toEqual(Either.right(Option.none()))
    }))

  it.live("sends a shorter body", () =>
    Effect.gen(function*() {
      const answer = Either.getOrThrow(yield* over({ _tag: "Cut", after: 4, how: "ends" }))
      expect(Option.getOrThrow(answer).text).toBe("0123")
    }))
})
