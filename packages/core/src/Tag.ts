/**
 * Tags: movable names of manifests.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { tagProblem } from "./internal/grammar.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"

/**
 * A tag: at most 128 letters, digits, `_`, `.` and `-`. The first character must not be `.` or `-`. Created only by
 * {@link parse}, {@link make} and {@link schema}. Spec: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 *
 * @since 0.1.0
 * @category models
 */
export type Tag = string & Brand.Brand<"Tag">

/**
 * Returns whether `text` is a tag.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (text: string): text is Tag => tagProblem(text) === undefined

/**
 * Parses a tag.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Tag } from "@effect-oci/core"
 *
 * const tag = Tag.parse("v1.2.3") // Either.right
 * const wrong = Tag.parse(".v1") // Either.left(SyntaxInvalid)
 * ```
 */
export const parse = (text: string): Either.Either<Tag, SyntaxInvalid> => {
  const reason = tagProblem(text)
  return reason === undefined
    ? Either.right(text as Tag)
    : Either.left(new SyntaxInvalid({ expected: "tag", text, reason }))
}

/**
 * Creates a tag from a text that is known to be valid, such as a literal in a program.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if `text` is not valid: for untrusted text use {@link parse}
 */
export const make = (text: string): Tag => Either.getOrThrowWith(parse(text), (error) => error)

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Tag, string> = /* @__PURE__ */ Schema.String.pipe(
  /* @__PURE__ */ Schema.filter((text) => tagProblem(text) ?? true, { identifier: "Tag" })
) as never
