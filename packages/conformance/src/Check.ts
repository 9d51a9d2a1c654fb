/**
 * Checks: what the spec asks of a registry, each a program that passes, fails with what it saw, or does not apply.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Capabilities, Target, Unreachable, Wire } from "./Target.js"

/**
 * The registry did something else than the spec says.
 *
 * @since 0.1.0
 * @category errors
 */
export class Violation extends Data.TaggedError("Violation")<{
  readonly expected: string
  readonly actual: string
  /** The request after which it was seen: `PUT /v2/…`. */
  readonly after: string
}> {
  override get message(): string {
    return `${this.after}: expected ${this.expected}, got ${this.actual}`
  }
}

/**
 * Whether a registry must keep a rule, should, or may choose. A check of what a registry may do passes where it does
 * not, and fails where it does it wrongly.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = "must" | "should" | "may"

/**
 * A check. It makes all that it needs in the two repositories of its {@link Target}, and takes it away when its scope
 * closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Check {
  /** Unique, in kebab case; it stays the same from version to version. */
  readonly id: string
  /** The numbers of the rules that it checks, of which several may share one. */
  readonly rules: ReadonlyArray<number>
  /** The section of the distribution spec. */
  readonly section: string
  /** What it checks, as a sentence about the registry. */
  readonly name: string
  readonly level: Level
  /** The version since which the level holds; before it the rule is one step weaker, and the check is not run. */
  readonly since?: "dev" | undefined
  /** What the registry must be able to do for the check to make sense. */
  readonly needs?: ReadonlyArray<Exclude<keyof Capabilities, "version">> | undefined
  /** What the registry must not do for the check to make sense: how it refuses is checked. */
  readonly unless?: Exclude<keyof Capabilities, "version"> | undefined
  readonly run: Effect.Effect<void, Violation | Unreachable, Wire | Target | Scope.Scope>
}

/**
 * How a check ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Failed"; readonly reason: string }
  | { readonly _tag: "Skipped"; readonly reason: string }
