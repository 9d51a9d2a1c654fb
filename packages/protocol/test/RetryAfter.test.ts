import { expect, it } from "@effect/vitest"
import * as RetryAfter from "../src/RetryAfter.js"

const now = Date.UTC(2026, 10, 21, 12, 0, 0)
const soon = "Sat, 21 Nov 2026 12:00:30 GMT"

const cases: ReadonlyArray<
  readonly [name: string, headers: { readonly [name: string]: string }, wait: number | undefined]
> = [
  ["seconds", { "retry-after": "7" }, 7000],
  ["a date, from now", { "retry-after": soon }, 30_000],
  ["a date, from when the answer was made", { "retry-after": soon, date: "Sat, 21 Nov 2026 12:00:10 GMT" }, 20_000],
  ["a date, from now where the answer says rubbish", { "retry-after": soon, date: "today" }, 30_000],
  ["a date that has passed", { "retry-after": "Sat, 21 Nov 2026 11:00:00 GMT" }, 0],
  ["rubbish", { "retry-after": "1e9" }, undefined],
  ["nothing", {}, undefined]
]

it.each(cases)("parses %s", (_, headers, wait) => {
  expect(RetryAfter.parse(headers, now)).toBe(wait)
})
