import type * as Effect from "effect/Effect"
import type * as fc from "fast-check"
import type { Grammar } from "./hostile.js"
import * as hostile from "./hostile.js"

/**
 * Something that reads what strangers wrote. An input is plain data, so that it can be pasted into a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target<Input = unknown, Output = unknown> {
  /** Unique: what it reads. */
  readonly name: string
  /** Hostile inputs, and good ones among them. */
  readonly input: fc.Arbitrary<Input>
  /** Reads one: it may refuse it by failing, and by nothing else. */
  readonly run: (input: Input) => Effect.Effect<Output, unknown>
  /** What must hold of whatever was read, each said as a sentence: that it is read again when it is written. */
  readonly laws: { readonly [law: string]: (output: Output, input: Input) => boolean }
  /** The inputs that take longest, of about so many characters. */
  readonly worst: ReadonlyArray<{ readonly name: string; readonly make: (length: number) => Input }>
}

/** One among others, of which only its own inputs are to be run. */
export const target = <Input, Output>(fields: Target<Input, Output>): Target => fields as never

/**
 * Something that reads one text of a grammar: hostile ones are made of what the grammar is made of.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Arbitraries from "@effect-oci/conformance/Arbitraries"
 * import * as Fuzz from "@effect-oci/conformance/Fuzz"
 * import { Tag } from "@effect-oci/core"
 *
 * const tag = Fuzz.text({
 *   name: "tag",
 *   grammar: { valid: Arbitraries.tag, pieces: ["a", "_", ".", "-"] },
 *   run: Tag.parse,
 *   laws: { "it is the text itself": (read, text) => read === text }
 * })
 * const problem = Fuzz.problem(tag, "../x") // undefined: it is refused, as it should be
 * ```
 */
export const text = <Output>({ grammar, ...fields }: {
  readonly name: string
  readonly grammar: Grammar
  readonly run: (text: string) => Effect.Effect<Output, unknown>
  readonly laws: Target<string, Output>["laws"]
}): Target => target({ ...fields, input: hostile.text(grammar), worst: hostile.worst(grammar.pieces) })
