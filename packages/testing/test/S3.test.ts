import * as S3 from "@effect-oci/testing/S3"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { send, target } from "./suites/s3Client.js"

it.effect("stores an object and returns it", () => {
  const s3 = S3.make()
  return Effect.gen(function*() {
    const put = yield* send(target, "PUT", { key: "a/ü +%.txt", body: "hello" })
    expect([put.status, put.code]).toEqual([200, undefined])
    const got = yield* send(target, "GET", { key: "a/ü +%.txt", headers: { range: "bytes=1-" } })
    expect([got.status, got.text]).toEqual([206, "ello"])
    expect(s3.calls.map(({ operation, status }) => [operation, status])).toEqual([["PutObject", 200], [
      "GetObject",
      206
    ]])
  }).pipe(Effect.provide(S3.layer(s3)))
})
