import type { DurationInput } from "effect/Duration"
import type { Failure } from "./answer.js"
import type { Operation } from "./call.js"

/**
 * What the client sees instead of an answer: an error of S3, a closed connection (`reset`), or nothing (`stall`). An
 * error with status 200 is the `<Error>` that S3 sends after it has begun to answer.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = Failure | "reset" | "stall"

/**
 * A fault of one call. Default of `outcome`: `reset`.
 *
 * - `Fail`: the call has no effect, and the client sees the outcome.
 * - `Lose`: the call has its effect, but the client sees the outcome.
 * - `Slow`: the answer comes late by `answer`; each of the four pieces of its body by `piece`.
 * - `Cut`: the body of the answer breaks after this number of bytes: the connection closes (`fails`, default), a shorter
 *   body seems complete (`ends`), or nothing follows (`stalls`).
 * - `Corrupt`: one byte of the body of the answer is wrong, at this position. Default: in the middle.
 * - `IgnoreConditions`: the server does not know `If-None-Match` and `If-Match`.
 * - `NoETag`: the answer has no `ETag`.
 * - `RefuseKeys`: DeleteObjects answers with an error for every second key, the first included, and keeps those objects.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | { readonly _tag: "Fail"; readonly outcome?: Outcome }
  | { readonly _tag: "Lose"; readonly outcome?: Outcome }
  | { readonly _tag: "Slow"; readonly answer?: DurationInput; readonly piece?: DurationInput }
  | { readonly _tag: "Cut"; readonly after: number; readonly how?: "fails" | "ends" | "stalls" }
  | { readonly _tag: "Corrupt"; readonly at?: number }
  | { readonly _tag: "IgnoreConditions" }
  | { readonly _tag: "NoETag" }
  | { readonly _tag: "RefuseKeys"; readonly failure: Failure }

/**
 * Chooses calls and their fault. Calls match by operation and key; `nth` counts the calls that match, from 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  readonly operation?: Operation
  readonly key?: string
  /** The first call with the fault. Default: 1. */
  readonly nth?: number
  /** The number of calls with the fault. Default: 1. */
  readonly times?: number
  readonly fault: Fault
}

/** Returns a function that finds the fault of each call. The first rule that matches counts. */
export const chooser = (rules: ReadonlyArray<Rule>) => {
  const counts = rules.map(() => 0)
  return (operation: Operation, key: string): Fault | undefined => {
    let chosen: Fault | undefined
    for (const [index, rule] of rules.entries()) {
      if (rule.operation !== undefined && rule.operation !== operation) continue
      if (rule.key !== undefined && rule.key !== key) continue
      const count = (counts[index] ?? 0) + 1
      const { nth = 1, times = 1 } = rule
      counts[index] = count
      if (count >= nth && count < nth + times) chosen ??= rule.fault
    }
    return chosen
  }
}
