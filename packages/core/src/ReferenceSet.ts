/**
 * Sets of references, used to select references in filters, routes, mirrors and credentials.
 *
 * The sets form a Boolean algebra under {@link union}, {@link intersection} and {@link complement}, ordered by
 * {@link includes}, with {@link none} as bottom and {@link all} as top. Emptiness, inclusion and equality of sets are
 * decided exactly.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as grammar from "./internal/grammar.js"
import * as samples from "./internal/referenceSamples.js"
import * as internal from "./internal/referenceSet.js"
import * as Glob from "./internal/tagGlob.js"
import { printable } from "./Printable.js"
import * as Reference from "./Reference.js"
import type { RepositoryName } from "./RepositoryName.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"
import type { Tag } from "./Tag.js"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-oci/core/ReferenceSet")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * A set of references. `toString` describes the set, for example `registry(ghcr.io) & prefix(team/) & !tags(*-rc)`, cut
 * at 1024 characters.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReferenceSet extends Inspectable, Pipeable {
  readonly [TypeId]: TypeId
}

/**
 * The value that is tested against a set: a `Reference`, or the parts of one that an operation names. `tag` is
 * required, so that a caller cannot forget it if an operation stores the tag under another name; `undefined` means that
 * there is only a digest. If `registry` is absent, the candidate matches no set that names a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  /** `host[:port]`, in the form that a `Reference` has. */
  readonly registry?: string | undefined
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
}

class Sets implements ReferenceSet {
  readonly [TypeId]: TypeId = TypeId
  private samples: ReadonlyArray<Tag | undefined> | undefined

  constructor(readonly expression: internal.Expression) {}

  get tagSamples(): ReadonlyArray<Tag | undefined> {
    return this.samples ??= samples.tags(this.expression)
  }
  toString(): string {
    return printable(internal.format(this.expression))
  }
  toJSON(): string {
    return this.toString()
  }
  [NodeInspectSymbol](): string {
    return this.toString()
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const internals = (self: ReferenceSet): Sets => self as Sets

/**
 * Returns whether `value` is a set of references.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (value: unknown): value is ReferenceSet => hasProperty(value, TypeId)

/**
 * The set of all references.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReferenceSet = new Sets(internal.all)

/**
 * The empty set.
 *
 * @since 0.1.0
 * @category constants
 */
export const none: ReferenceSet = new Sets(internal.none)

const checked = (
  expected: "registry" | "repository name" | "repository prefix" | "tag glob",
  texts: ReadonlyArray<string>,
  problem: (text: string) => string | undefined
): ReadonlyArray<string> => {
  for (const text of texts) {
    const reason = problem(text)
    if (reason !== undefined) throw new SyntaxInvalid({ expected, text, reason })
  }
  return texts
}

/**
 * Creates the set of all references on these registry hosts, `host[:port]`. Hosts are compared as in a `Reference`: in
 * lower case, and with the port as it is written.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if an argument is not a host
 */
export const registry = (...hosts: ReadonlyArray<string>): ReferenceSet => {
  const folded = hosts.map((text) =>
    Either.getOrThrowWith(grammar.host(text), (reason) => new SyntaxInvalid({ expected: "registry", text, reason }))
  )
  return new Sets({ _tag: "Registry", hosts: new Set(folded) })
}

/**
 * Creates the set of all references to repositories with these names, in any registry. For one registry only, use the
 * {@link intersection} with {@link registry}.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if an argument is not a repository name
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 *
 * const app = ReferenceSet.registry("ghcr.io").pipe(ReferenceSet.intersection(ReferenceSet.repository("team/app")))
 * ```
 */
export const repository = (...names: ReadonlyArray<string>): ReferenceSet =>
  new Sets({
    _tag: "Repository",
    names: new Set(checked("repository name", names, grammar.nameProblem)),
    prefixes: new Set()
  })

/**
 * Creates the set of all references to repositories with these prefixes, in any registry. The prefix `team/` contains
 * `team/app` and `team/a/b`, but not `team` and not `teams/app`. A prefix ends with a slash.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if an argument is not a repository prefix
 */
export const prefix = (...prefixes: ReadonlyArray<string>): ReferenceSet =>
  new Sets({
    _tag: "Repository",
    names: new Set(),
    prefixes: new Set(checked("repository prefix", prefixes, grammar.prefixProblem))
  })

/**
 * Creates the set of all references whose tag matches one of these globs, in any repository. `*` matches any number of
 * characters, including zero. All other characters match themselves: `v1.*`, `*-rc*`, `latest`.
 *
 * A reference without a tag is in no such set. A filter that allows only tags therefore rejects all access by digest.
 * To allow it, use the {@link union} with {@link untagged}. A filter that excludes tags hides only the tags: their
 * manifests can still be read by digest. If a reference has both a tag and a digest, only its tag is tested.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if an argument is not a tag glob
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 *
 * const releases = ReferenceSet.tags("v*").pipe(
 *   ReferenceSet.difference(ReferenceSet.tags("*-rc*", "*-beta*")),
 *   ReferenceSet.union(ReferenceSet.untagged)
 * )
 * ```
 */
export const tags = (...globs: ReadonlyArray<string>): ReferenceSet =>
  new Sets({ _tag: "Tags", globs: checked("tag glob", globs, grammar.globProblem).map(Glob.make) })

/**
 * Returns the set of references that are in either set.
 *
 * @since 0.1.0
 * @category combinators
 */
export const union: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = /* @__PURE__ */ dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet =>
    new Sets(internal.union(internals(self).expression, internals(that).expression))
)

/**
 * Returns the set of references that are in both sets.
 *
 * @since 0.1.0
 * @category combinators
 */
export const intersection: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = /* @__PURE__ */ dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet =>
    new Sets(internal.intersection(internals(self).expression, internals(that).expression))
)

/**
 * Returns the set of references that are not in the given set.
 *
 * @since 0.1.0
 * @category combinators
 */
export const complement = (self: ReferenceSet): ReferenceSet =>
  new Sets(internal.complement(internals(self).expression))

/**
 * Returns the set of references that are in the first set and not in the second.
 *
 * @since 0.1.0
 * @category combinators
 */
export const difference: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = /* @__PURE__ */ dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet => intersection(self, complement(that))
)

/**
 * The set of references without a tag: references by digest only, and references to a repository as a whole.
 *
 * @since 0.1.0
 * @category constants
 */
export const untagged: ReferenceSet = complement(tags("*"))

/**
 * Returns whether a reference is in a set. Names are looked up in hash sets. Globs, and the members of unions and
 * intersections, are tried one after the other.
 *
 * @since 0.1.0
 * @category predicates
 */
export const contains: {
  (candidate: Candidate): (self: ReferenceSet) => boolean
  (self: ReferenceSet, candidate: Candidate): boolean
} = /* @__PURE__ */ dual(
  2,
  (self: ReferenceSet, candidate: Candidate): boolean =>
    internal.holds(internals(self).expression, candidate.registry, candidate.repository, candidate.tag)
)

/**
 * Returns whether a set contains any reference in a repository, with any tag or without a tag. For operations that name
 * only the repository, such as those on blobs and lists.
 *
 * If the result depends on tags, the first call on a set searches for the relevant tags, as {@link witness} does. Later
 * calls try these tags one after the other.
 *
 * @since 0.1.0
 * @category predicates
 */
export const touches: {
  (candidate: Omit<Candidate, "tag">): (self: ReferenceSet) => boolean
  (self: ReferenceSet, candidate: Omit<Candidate, "tag">): boolean
} = /* @__PURE__ */ dual(2, (self: ReferenceSet, { registry, repository }: Omit<Candidate, "tag">): boolean => {
  const { expression, tagSamples } = internals(self)
  for (const tag of tagSamples) if (internal.holds(expression, registry, repository, tag)) return true
  return false
})

/**
 * Returns a member of a set, or `None` if the set is empty.
 *
 * Tries one reference of each kind that the set can distinguish. Their number is the number of hosts, times names and
 * prefixes, times kinds of tags that the set mentions. The kinds of tags are found by running all globs at once. There
 * are few kinds, unless many globs are intersected that overlap without one containing the other, such as `*a*` and
 * `*b*`: each such glob can double the number. Globs joined by a union count as one.
 *
 * @since 0.1.0
 * @category getters
 */
export const witness = (self: ReferenceSet): Reference.Reference | undefined => {
  const { expression, tagSamples } = internals(self)
  const member = samples.member(expression, tagSamples)
  return member === undefined ? undefined : Reference.make(member)
}

/**
 * Returns whether a set is empty. Costs as much as {@link witness}.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (self: ReferenceSet): boolean => witness(self) === undefined

/**
 * Returns whether every member of the second set is in the first set. Costs as much as {@link witness}. If the result
 * is `false`, the witness of the {@link difference} of the second and the first set is a counterexample.
 *
 * @since 0.1.0
 * @category predicates
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 *
 * const team = ReferenceSet.prefix("team/")
 * const yes = ReferenceSet.includes(team, ReferenceSet.repository("team/app"))
 * ```
 */
export const includes: {
  (that: ReferenceSet): (self: ReferenceSet) => boolean
  (self: ReferenceSet, that: ReferenceSet): boolean
} = /* @__PURE__ */ dual(2, (self: ReferenceSet, that: ReferenceSet): boolean => isEmpty(difference(that, self)))

/**
 * Returns whether two sets have the same members. Costs as much as {@link witness}.
 *
 * @since 0.1.0
 * @category predicates
 */
export const equals: {
  (that: ReferenceSet): (self: ReferenceSet) => boolean
  (self: ReferenceSet, that: ReferenceSet): boolean
} = /* @__PURE__ */ dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): boolean => includes(self, that) && includes(that, self)
)
