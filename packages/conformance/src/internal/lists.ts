import * as Link from "@effect-oci/protocol/Link"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Violation } from "../Check.js"
import type { Received, Unreachable, Wire } from "../Target.js"
import { expect, expectStatus, json } from "./expectations.js"
import { get } from "./request.js"

/** Helpers for the checks of lists. */

/** Returns the array under a key of a JSON body. */
export const arrayOf = (received: Received, key: string) =>
  Effect.flatMap(json(received), (body) => {
    const list = Predicate.hasProperty(body, key) ? body[key] : undefined
    const isArray = expect(received, Array.isArray(list), `an array "${key}"`, () => JSON.stringify(list) ?? "none")
    return Effect.as(isArray, Array.isArray(list) ? list as ReadonlyArray<unknown> : [])
  })

/**
 * Reads all pages of a list. Runs `between` before every page but the first. The number of pages is limited, so that a
 * cycle of links fails.
 */
export const pagesOf = (
  path: string,
  between: Effect.Effect<unknown, Violation | Unreachable, Wire | Scope.Scope> = Effect.void,
  limit = 50
) =>
  Effect.gen(function*() {
    const pages: Array<Received> = []
    let next: string | undefined = path
    while (next !== undefined && pages.length < limit) {
      if (pages.length > 0) yield* between
      const received: Received = yield* expectStatus(yield* get(next), 200)
      pages.push(received)
      const link = Link.next(received.headers["link"])
      const url: URL | undefined = link === undefined ? undefined : new URL(link, `http://registry.invalid${next}`)
      next = url === undefined ? undefined : `${url.pathname}${url.search}`
    }
    return pages
  })

export const listText = (list: ReadonlyArray<unknown>) => list.length === 0 ? "nothing" : list.join()

/** Expects exactly these items, in this order. */
export const expectItems = (received: Received, actual: ReadonlyArray<unknown>, expected: ReadonlyArray<string>) =>
  expect(received, actual.join() === expected.join(), listText(expected), () => listText(actual))
