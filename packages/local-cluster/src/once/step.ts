/** A step of the test of the cluster. */
import type { Ledger } from "@effect-oci/testing/Ledger"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Cluster } from "../cluster.js"

/** What is wrong. */
export class Broken extends Data.TaggedError("Broken")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    const shown = this.problems.slice(0, 5)
    const more = this.problems.length - shown.length
    return [...shown, ...more > 0 ? [`and ${more} more`] : []].join("\n")
  }
}

export interface Context {
  readonly cluster: Cluster
  /** What the clients of all steps know. */
  readonly ledger: Ledger
  /** How long clients push before and after a fault, in seconds. */
  readonly seconds: number
  /** How long clients push in the steps with an eager collector, or with many kills, in seconds. */
  readonly collectSeconds: number
}

export interface Step<R = never> {
  readonly title: string
  /** Returns what was seen, in one line. */
  readonly run: (context: Context) => Effect.Effect<string, Broken, R>
}

/** Fails if there are problems. */
export const expectNone = (problems: ReadonlyArray<string>): Effect.Effect<void, Broken> =>
  problems.length === 0 ? Effect.void : new Broken({ problems })

/** Runs an effect whose failure is a problem. */
export const attempt = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>): Effect.Effect<A, Broken, R> =>
  Effect.mapError(effect, (error) => error instanceof Broken ? error : new Broken({ problems: [error.message] }))
