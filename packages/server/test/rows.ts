/** Requests and their answers as data. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import type { Answered, Asked } from "./http.js"
import type { Line, Running } from "./servers.js"

export interface Expected {
  readonly status: number
  /** The expected headers. `undefined` means that the header must be absent. */
  readonly headers?: Readonly<Record<string, string | RegExp | undefined>>
  readonly body?: Uint8Array | string | object
  /** The error code in the body. */
  readonly code?: string
}

/** A title that starts with the numbers of the rules, a request, and the expected answer. */
export type Row = readonly [name: string, sent: Asked, expected: Expected]

export const check = (answer: Answered, { body, code, headers, status }: Expected): void => {
  expect({ status: answer.status, body: answer.status === status || answer.text }).toEqual({ status, body: true })
  for (const [name, value] of Object.entries(headers ?? {})) {
    expect({ [name]: answer.headers[name] }).toEqual({
      [name]: value instanceof RegExp ? expect.stringMatching(value) : value
    })
  }
  if (body instanceof Uint8Array) expect(answer.bytes.equals(body)).toBe(true)
  else if (typeof body === "string") expect(answer.text).toBe(body)
  else if (body !== undefined) expect(answer.json).toEqual(body)
  if (code !== undefined) {
    expect(answer.headers["content-type"]).toBe("application/json")
    expect(answer.json).toMatchObject({ errors: [{ code, message: expect.any(String) as unknown }] })
  }
}

/** Sends a request and verifies the answer. A refusal must write exactly one clean line to the log. */
export const run = ({ ask, lines }: Running, sent: Asked, expected: Expected) =>
  Effect.gen(function*() {
    const before = lines.length
    const answer = yield* ask(sent)
    check(answer, expected)
    if (expected.status >= 400) checkLines(lines.slice(before))
    return answer
  })

/** Verifies that a log entry is one line that cannot be read as another line. */
export const checkLines = (lines: ReadonlyArray<Line>): void => {
  expect(lines).toHaveLength(1)
  for (const line of lines) {
    expect(line.level).toBe("INFO")
    expect(JSON.stringify(line)).not.toMatch(/\p{Cc}|\\[nr]/u)
  }
}
