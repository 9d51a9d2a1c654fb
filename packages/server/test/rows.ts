/** Requests and their answers as data. */
import { expect } from "@effect/vitest"
import { Effect } from "effect"
import type { Answered, Asked } from "./http.js"
import type { Line, Running } from "./servers.js"

export interface Expected {
  readonly status: number
  /** Each as it must be; `undefined` for one that must not be there. */
  readonly headers?: Readonly<Record<string, string | RegExp | undefined>>
  readonly body?: Uint8Array | string | object
  /** The code of the error that the body says. */
  readonly code?: string
}

/** What is asked, and what must come, with the numbers of the rules first. */
export type Row = readonly [name: string, asked: Asked, expected: Expected]

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

/** Asks, and checks the answer and that it left one line in the log where it was refused, and that the line is clean. */
export const run = ({ ask, lines }: Running, asked: Asked, expected: Expected) =>
  Effect.gen(function*() {
    const before = lines.length
    const answer = yield* ask(asked)
    check(answer, expected)
    if (expected.status >= 400) checkLines(lines.slice(before))
    return answer
  })

/** One line, with nothing in it that could pass for another. */
export const checkLines = (lines: ReadonlyArray<Line>): void => {
  expect(lines).toHaveLength(1)
  for (const line of lines) {
    expect(line.level).toBe("INFO")
    expect(JSON.stringify(line)).not.toMatch(/\p{Cc}|\\[nr]/u)
  }
}
