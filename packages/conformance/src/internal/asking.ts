import * as Digest from "@effect-oci/core/Digest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { Violation } from "../Check.js"
import { Wire } from "../Target.js"
import type { Received, Sent } from "../Target.js"

/** What a check asks, and what it expects. Each expectation says what was asked, what was expected and what came. */

export const send = (request: Sent) => Effect.flatMap(Wire, (wire) => wire.send(request))

export const get = (path: string, headers?: Sent["headers"]) => send({ method: "GET", path, headers })

export const head = (path: string, headers?: Sent["headers"]) => send({ method: "HEAD", path, headers })

export const violation = (received: Received, expected: string, actual: string): Violation =>
  new Violation({ after: `${received.sent.method} ${received.sent.path}`, expected, actual })

export const expect = (received: Received, holds: boolean, expected: string, actual: () => string) =>
  holds ? Effect.succeed(received) : Effect.fail(violation(received, expected, actual()))

/** One of some statuses. */
export const expectStatus = (received: Received, ...statuses: ReadonlyArray<number>) =>
  expect(
    received,
    statuses.includes(received.status),
    `status ${statuses.join(" or ")}`,
    () => `status ${received.status} ${text(received).slice(0, 200)}`
  )

/** An error: one of some statuses, with a body as the spec has it, and where they are given one of some codes. */
export const expectError = (received: Received, statuses: ReadonlyArray<number>, codes?: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    yield* expectStatus(received, ...statuses)
    const body = yield* json(received)
    const errors = Predicate.hasProperty(body, "errors") && Array.isArray(body.errors) ? body.errors : []
    const found = errors.map((error: unknown) => Predicate.hasProperty(error, "code") ? String(error.code) : "none")
    const formed = found.length > 0 && found.every((code) => /^[A-Z_]+$/.test(code))
    yield* expect(received, formed, "errors, each with a code of capitals", () => text(received).slice(0, 200))
    const known = codes === undefined || found.some((code) => codes.includes(code))
    return yield* expect(received, known, `code ${codes?.join(" or ")}`, () => found.join(", "))
  })

/** What is large is compared by its digests, which are computed natively. */
export const bytesEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && (
    a.byteLength > 64 * 1024 ? Digest.fromBytes(a) === Digest.fromBytes(b) : a.every((byte, index) => byte === b[index])
  )

export const expectHeader = (received: Received, name: string, value: string | RegExp) => {
  const actual = received.headers[name]
  const holds = actual !== undefined && (typeof value === "string" ? actual === value : value.test(actual))
  return expect(received, holds, `header ${name}: ${String(value)}`, () => actual ?? "none")
}

export const expectNoHeader = (received: Received, name: string) =>
  expect(received, received.headers[name] === undefined, `no header ${name}`, () => String(received.headers[name]))

export const text = (received: Received): string => new TextDecoder().decode(received.body)

export const json = (received: Received): Effect.Effect<unknown, Violation> =>
  Effect.try({
    try: (): unknown => JSON.parse(text(received)),
    catch: () => violation(received, "a body of JSON", text(received).slice(0, 200))
  })
