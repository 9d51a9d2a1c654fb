/**
 * Repository names: `team/app`.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { nameProblem } from "./internal/grammar.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"

/**
 * A repository name: components of lower-case letters and digits, and separators within them, joined by slashes. At
 * most 255 characters. Created only by {@link parse}, {@link make} and {@link schema}. Spec: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 *
 * @since 0.1.0
 * @category models
 */
export type RepositoryName = string & Brand.Brand<"RepositoryName">

/**
 * Returns whether `text` is a repository name.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (text: string): text is RepositoryName => nameProblem(text) === undefined

/**
 * Parses a repository name.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 *
 * const name = RepositoryName.parse("team/app") // Either.right
 * const wrong = RepositoryName.parse("Team/App") // Either.left(SyntaxInvalid)
 * ```
 */
export const parse = (text: string): Either.Either<RepositoryName, SyntaxInvalid> => {
  const reason = nameProblem(text)
  return reason === undefined
    ? Either.right(text as RepositoryName)
    : Either.left(new SyntaxInvalid({ expected: "repository name", text, reason }))
}

/**
 * Creates a repository name from a text that is known to be valid, such as a literal in a program.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if `text` is not valid: for untrusted text use {@link parse}
 */
export const make = (text: string): RepositoryName => Either.getOrThrowWith(parse(text), (error) => error)

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<RepositoryName, string> = /* @__PURE__ */ Schema.String.pipe(
  /* @__PURE__ */ Schema.filter((text) => nameProblem(text) ?? true, { identifier: "RepositoryName" })
) as never
