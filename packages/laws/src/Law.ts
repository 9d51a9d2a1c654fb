/**
 * The subjects of laws: wrappers of a registry, and models that describe how a wrapper changes a registry. `Laws`
 * contains the laws.
 *
 * @since 0.1.0
 */
import type { Middleware } from "@effect-oci/core/Middleware"
import type { Operation, OperationTag } from "@effect-oci/core/Operation"
import type { Registry } from "@effect-oci/core/Registry"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/**
 * A wrapper, or an effect that creates one.
 *
 * @since 0.1.0
 * @category models
 */
export type Wrapper = Middleware | Effect.Effect<Middleware, never, Scope.Scope>

/**
 * The expected response of a registry: a result in the form of `Laws.Response`, with the id of the upload session if one is open;
 * or an error with one of these tags.
 *
 * @since 0.1.0
 * @category models
 */
export type Expected =
  | { readonly result: unknown; readonly upload?: string | undefined }
  | { readonly errors: ReadonlyArray<string> }

/**
 * The model of a registry: a plain function of operations, with state. Real registries are compared with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spec {
  (operation: Operation): Expected
}

/**
 * A model of a wrapper: a plain function that describes how the wrapper changes a registry. `another` creates an empty
 * registry, for wrappers that use several.
 *
 * @since 0.1.0
 * @category models
 */
export interface Model {
  (next: Spec, another: () => Spec): Spec
}

/**
 * A wrapper under test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  /** The code that creates the wrapper, for failure reports. */
  readonly code: string
  readonly wrapper: Wrapper
  /** The model of the wrapper. Default: the wrapper does not change any result of the next registry. */
  readonly model?: Model | undefined
  /**
   * `depends`: the answers of the wrapped registry depend on the caller. `refuses`: the wrapper cannot be built over such a
   * registry, so no random stack puts it there. Default: neither.
   */
  readonly callers?: "depends" | "refuses" | undefined
}

/**
 * Options for the check of a law.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Creates the registry behind the wrappers, empty each time. Default: a registry in memory. */
  readonly backend?: (() => Layer.Layer<Registry>) | undefined
  /** The number of histories. Default: 100. */
  readonly runs?: number | undefined
  /**
   * The maximum length of a history, in addition to up to 14 operations that fill the registry. Default: 25 operations.
   */
  readonly maxLength?: number | undefined
  /** Whether equations also compare error messages. Default: `true`, but `false` for `distributes`. */
  readonly messages?: boolean | undefined
  /** The seed of the random generator. Default: a constant. */
  readonly seed?: number | undefined
}

/**
 * Counts of the operations that were tested, if a law holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly operations: number
  readonly succeeded: number
  /** The kinds of operations that succeeded at least once. */
  readonly kinds: ReadonlySet<OperationTag>
}

/**
 * A law does not hold. `test` is a Vitest test with the shortest failing history that was found.
 *
 * @since 0.1.0
 * @category errors
 */
export class LawBroken extends Data.TaggedError("OciLawBroken")<{
  readonly law: string
  readonly seed: number
  /** The number of operations in the test. */
  readonly operations: number
  readonly test: string
}> {
  override get message(): string {
    return `${this.law} (seed ${this.seed}), in ${this.operations} operations:\n\n${this.test}\n`
  }
}
