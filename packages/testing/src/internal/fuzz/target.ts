import type * as Effect from "effect/Effect"
import type * as fc from "fast-check"
import type { Grammar } from "./hostile.js"
import * as hostile from "./hostile.js"

/**
 * A target of fuzz tests: a function that reads untrusted input. An input is plain data, so that it can be copied into
 * a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target<Input = unknown, Output = unknown> {
  /** The unique name of the input that the target reads. */
  readonly name: string
  /** Generates hostile inputs, valid ones included. */
  readonly input: fc.Arbitrary<Input>
  /** Reads an input. It may fail to reject the input, but must not throw or die. */
  readonly run: (input: Input) => Effect.Effect<Output, unknown>
  /**
   * The properties of every result, by a sentence that describes each. Example: parsing the printed result returns it.
   */
  readonly laws: { readonly [law: string]: (output: Output, input: Input) => boolean }
  /** Returns the slowest inputs, of about this number of characters. */
  readonly worst: ReadonlyArray<{ readonly name: string; readonly make: (length: number) => Input }>
}

/** Hides the input type of a target, so that targets fit into one list. Run a target only with its own inputs. */
export const target = <Input, Output>(fields: Target<Input, Output>): Target => fields as never

/**
 * Creates a target that reads a text of a grammar. The hostile texts consist of the pieces of the grammar.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Arbitraries from "@effect-oci/testing/Arbitraries"
 * import * as Fuzz from "@effect-oci/testing/Fuzz"
 * import { Tag } from "@effect-oci/core"
 *
 * const tag = Fuzz.text({
 *   name: "tag",
 *   grammar: { valid: Arbitraries.tag, pieces: ["a", "_", ".", "-"] },
 *   run: Tag.parse,
 *   laws: { "the result is the input": (read, text) => read === text }
 * })
 * const problem = Fuzz.problem(tag, "../x") // undefined: the tag is rejected, which is correct
 * ```
 */
export const text = <Output>({ grammar, ...fields }: {
  readonly name: string
  readonly grammar: Grammar
  readonly run: (text: string) => Effect.Effect<Output, unknown>
  readonly laws: Target<string, Output>["laws"]
}): Target => target({ ...fields, input: hostile.text(grammar), worst: hostile.worst(grammar.pieces) })
