/** The behaviour of S3 that a blob store relies on, for any S3. */
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { brief, calls } from "./s3Calls.js"
import type { Behaviour, Checks } from "./s3Calls.js"
import { send } from "./s3Client.js"
import { lists, objects } from "./s3Objects.js"
import { uploads } from "./s3Uploads.js"

const signatures: Checks = {
  "verifies the hash of the body that is signed": ({ put }) =>
    Effect.gen(function*() {
      const hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
      const answers = yield* Effect.forEach(["hello", "hullo"], (body) =>
        put("signed/body", body, { "x-amz-content-sha256": hash }))
      expect(answers.map(brief)).toEqual(["200", "400 XAmzContentSHA256Mismatch"])
      expect(brief(yield* put("signed/body", "any", { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }))).toBe("200")
    }),
  "refuses wrong credentials": ({ to }) =>
    Effect.gen(function*() {
      const secret = { ...to, credentials: { ...to.credentials, secretAccessKey: "wrong" } }
      const unknown = { ...to, credentials: { ...to.credentials, accessKeyId: "AKIDUNKNOWN" } }
      const answers = yield* Effect.forEach([secret, unknown], (as) => send(as, "GET", { key: "signed/a" }))
      expect(answers.map(brief)).toEqual(["403 SignatureDoesNotMatch", "403 InvalidAccessKeyId"])
    }),
  "refuses requests from another time": ({ to }) =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach([-16, 16, -14], (minutes) =>
        send(to, "GET", { key: "signed/b" }, { minutes }))
      expect(answers.map(brief)).toEqual(["403 RequestTimeTooSkewed", "403 RequestTimeTooSkewed", "404 NoSuchKey"])
    }),
  "serves a presigned URL until it expires": ({ put, to }) =>
    Effect.gen(function*() {
      yield* put("signed/url", "hello")
      const query = { "response-content-type": "text/plain" }
      const fresh = yield* send(to, "GET", { key: "signed/url", query }, { expires: 60 })
      expect([fresh.status, fresh.text, fresh.headers["content-type"]]).toEqual([200, "hello", "text/plain"])
      const old = yield* send(to, "GET", { key: "signed/url" }, { expires: 60, minutes: -2 })
      expect(brief(old)).toBe("403 AccessDenied")
    })
}

/** Registers the tests. Each of them acquires the target. */
export const behaviour = (at: Behaviour): void => {
  for (const [group, checks] of Object.entries({ objects, lists, uploads, signatures })) {
    describe(group, () => {
      for (const [title, check] of Object.entries(checks)) {
        it.scopedLive(
          title,
          () => Effect.flatMap(at.target, (to) => check(calls(to, at))).pipe(Effect.provide(at.layer))
        )
      }
    })
  }
}
