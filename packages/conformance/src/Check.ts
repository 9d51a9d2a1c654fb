/**
 * Checks of a registry against the distribution spec. Each check is an effect: it succeeds, or fails with the violation
 * that it found.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Capabilities, Target, Unreachable, Wire } from "./Target.js"

/**
 * The registry did not behave as the spec requires.
 *
 * @since 0.1.0
 * @category errors
 */
export class Violation extends Data.TaggedError("OciViolation")<{
  readonly expected: string
  readonly actual: string
  /** The request that showed the violation: `PUT /v2/…`. */
  readonly after: string
}> {
  override get message(): string {
    return `${this.after}: expected ${this.expected}, got ${this.actual}`
  }
}

/**
 * The level of a rule in the spec: must, should or may. A check with the level `may` passes if the registry does not
 * implement the feature, and fails if the registry implements the feature incorrectly.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = "must" | "should" | "may"

/**
 * A check of a registry. It creates all content that it needs in the two repositories of its {@link Target}, and
 * deletes this content when its scope closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Check {
  /** The unique id, in kebab case. An id does not change between versions. */
  readonly id: string
  /** The numbers of the rules that the check verifies. Several checks may share a rule. */
  readonly rules: ReadonlyArray<number>
  /** The section of the distribution spec. */
  readonly section: string
  /** The behaviour that the check verifies, as a sentence about the registry. */
  readonly name: string
  readonly level: Level
  /**
   * The version of the spec since which the level holds. In earlier versions the rule is weaker, and the check is
   * skipped.
   */
  readonly since?: "dev" | undefined
  /** The capabilities that the check needs. Without them the check is skipped. */
  readonly needs?: ReadonlyArray<Exclude<keyof Capabilities, "version">> | undefined
  /**
   * A capability that the registry must not have: the check verifies how the registry refuses. Otherwise it is skipped.
   */
  readonly unless?: Exclude<keyof Capabilities, "version"> | undefined
  readonly run: Effect.Effect<void, Violation | Unreachable, Wire | Target | Scope.Scope>
}

/**
 * The outcome of a check.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | { readonly _tag: "Passed" }
  | { readonly _tag: "Failed"; readonly reason: string }
  | { readonly _tag: "Skipped"; readonly reason: string }
