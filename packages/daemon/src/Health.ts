/**
 * Checks of the parts that a program depends on, and the answers to a load balancer.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * The state of one part of a program. `problem` says what is wrong and what to do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Part {
  readonly problem?: string
  readonly [detail: string]: string | number | undefined
}

/**
 * The state of each part of a program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly [part: string]: Part
}

/**
 * A check of each part. A failure of a check is a problem of its part.
 *
 * @since 0.1.0
 * @category models
 */
export interface Checks {
  readonly [part: string]: Effect.Effect<Part, { readonly message: string }>
}

/**
 * Returns whether no part has a problem.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isHealthy = (report: Report): boolean =>
  Object.values(report).every(({ problem }) => problem === undefined)

/** The longest time that a check takes. */
const patience = Duration.seconds(5)

/**
 * Creates an effect that runs checks, at most once a second however often it runs. A check that takes longer than 5
 * seconds is a problem.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (checks: Checks): Effect.Effect<Effect.Effect<Report>> => {
  const report: Effect.Effect<Report> = Effect.all(
    Object.fromEntries(
      Object.entries(checks).map(([name, check]) => [
        name,
        check.pipe(
          Effect.timeoutFail({ duration: patience, onTimeout: () => new Error("no answer in 5 seconds") }),
          Effect.catchAll(({ message }) => Effect.succeed<Part>({ problem: message }))
        )
      ])
    ),
    { concurrency: "unbounded" }
  )
  return Effect.cachedWithTTL(report, Duration.seconds(1))
}

/**
 * Creates a response with a text, which no cache may store.
 *
 * @since 0.1.0
 * @category conversions
 */
export const respond = (status: number, type: string, text: string): Wire.Response => {
  const bytes = new TextEncoder().encode(text)
  return {
    status,
    headers: { "content-type": type, "content-length": String(bytes.byteLength), "cache-control": "no-store" },
    body: Body.bytes(bytes)
  }
}

/**
 * Creates a response for a load balancer or a person: 200 if no part has a problem, otherwise 503, with the report.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toResponse = (report: Report): Wire.Response =>
  respond(isHealthy(report) ? 200 : 503, "application/json", `${JSON.stringify(report)}\n`)
