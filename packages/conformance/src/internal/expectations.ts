import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { Violation } from "../Check.js"
import type { Received } from "../Target.js"
import { get } from "./request.js"

/** Expectations of checks. A failed expectation reports the request, the expected and the actual. */

/** Limits the text in reports, because URLs and bodies may be long. */
const shorten = (text: string): string => text.length > 300 ? `${text.slice(0, 300)}…` : text

export const violation = ({ sent }: Received, expected: string, actual: string): Violation =>
  new Violation({ after: `${sent.method} ${shorten(sent.path)}`, expected, actual: shorten(actual.trim()) })

export const expect = (received: Received, holds: boolean, expected: string, actual: () => string) =>
  holds ? Effect.succeed(received) : Effect.fail(violation(received, expected, actual()))

/** Expects one of several statuses. */
export const expectStatus = (received: Received, ...statuses: ReadonlyArray<number>) =>
  expect(
    received,
    statuses.includes(received.status),
    `status ${statuses.join(" or ")}`,
    () => `status ${received.status} ${beginning(received)}`
  )

/**
 * Expects an error with one of several statuses. Any body is allowed. If the body is JSON, it must have the form of the
 * spec ([Error Codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes)), and one of
 * the codes, if any are given.
 */
export const expectError = (received: Received, statuses: ReadonlyArray<number>, codes?: ReadonlyArray<string>) =>
  Effect.zipRight(
    expectStatus(received, ...statuses),
    isJson(received) ? expectCode(received, codes) : Effect.succeed(received)
  )

/** Expects a JSON body with errors. Each error has a code, and at least one code is among the given ones. */
export const expectCode = (received: Received, codes?: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const body = yield* json(received)
    const errors = Predicate.hasProperty(body, "errors") && Array.isArray(body.errors) ? body.errors : []
    const found = errors.map((error: unknown) => Predicate.hasProperty(error, "code") ? String(error.code) : "none")
    const formed = found.length > 0 && found.every((code) => /^[A-Z_]+$/.test(code))
    yield* expect(received, formed, "errors, each with a code of capitals", () => beginning(received))
    const known = codes === undefined || found.some((code) => codes.includes(code))
    return yield* expect(received, known, `code ${codes?.join(" or ")}`, () => found.join(", "))
  })

/** Tests whether a body has a JSON type or looks like JSON. */
const isJson = (received: Received): boolean =>
  /^application\/(?:[^;]*\+)?json\b/.test(received.headers["content-type"] ?? "") ||
  /^\s*[{[]/.test(beginning(received))

/** Compares large content by digest, because native code computes digests fast. */
export const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && (
    a.byteLength > 64 * 1024 ? Digest.fromBytes(a) === Digest.fromBytes(b) : a.every((byte, index) => byte === b[index])
  )

/** Expects exactly these bytes in the body. */
export const expectBody = (received: Received, bytes: Uint8Array, expected = "the bytes pushed") =>
  expect(received, bytesEqual(received.body, bytes), expected, () => "other bytes")

export const expectNoBody = (received: Received) =>
  expect(received, received.body.byteLength === 0, "no body", () => "a body")

/** Expects that GET of a path returns 200 and exactly these bytes. */
export const expectContent = (path: string, bytes: Uint8Array) =>
  Effect.gen(function*() {
    return yield* expectBody(yield* expectStatus(yield* get(path), 200), bytes)
  })

export const expectHeader = (received: Received, name: string, value: string | RegExp) => {
  const actual = received.headers[name]
  const holds = actual !== undefined && (typeof value === "string" ? actual === value : value.test(actual))
  return expect(received, holds, `header ${name}: ${String(value)}`, () => actual ?? "none")
}

export const expectNoHeader = (received: Received, name: string) =>
  expect(received, received.headers[name] === undefined, `no header ${name}`, () => String(received.headers[name]))

export const text = (received: Received): string => new TextDecoder().decode(received.body)

/** Returns the beginning of a content, enough to recognize it. */
const beginning = ({ body }: Received): string => new TextDecoder().decode(body.subarray(0, 1000))

export const json = (received: Received): Effect.Effect<unknown, Violation> =>
  Effect.try({
    try: (): unknown => JSON.parse(text(received)),
    catch: () => violation(received, "a body of JSON", beginning(received))
  })
