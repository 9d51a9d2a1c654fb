/**
 * Sets of references: what filters, routes, mirrors and credentials choose by.
 *
 * They are a Boolean algebra under {@link union}, {@link intersection} and {@link complement}, ordered by
 * {@link includes}, of which {@link none} is the bottom and {@link all} the top. Whether a set is empty, includes
 * another or equals it is decided exactly.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
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
 * A set of references. `toString` says which: `registry(ghcr.io) & prefix(team/) & !tags(*-rc)`, cut at 1024 characters.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReferenceSet extends Inspectable, Pipeable {
  readonly [TypeId]: TypeId
}

/**
 * What may be in a set: a `Reference`, or what is known of one where an operation names it. `tag` has to be given, so
 * that it is not forgotten where an operation has it under another name: `undefined` means by digest alone. A registry
 * that is not given is one that no set names.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  /** `host[:port]`, as a `Reference` has it. */
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

const own = (self: ReferenceSet): Sets => self as Sets

/**
 * Whether `value` is a set of references.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (value: unknown): value is ReferenceSet => hasProperty(value, TypeId)

/**
 * Every reference.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReferenceSet = new Sets(internal.all)

/**
 * No reference.
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
 * What is in registries of these hosts, `host[:port]`. Hosts are compared as in a `Reference`: in lower case, and the
 * port as it is written.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid where one is no host
 */
export const registry = (...hosts: ReadonlyArray<string>): ReferenceSet => {
  const folded = hosts.map((text) =>
    Either.getOrThrowWith(grammar.host(text), (reason) => new SyntaxInvalid({ expected: "registry", text, reason }))
  )
  return new Sets({ _tag: "Registry", hosts: new Set(folded) })
}

/**
 * What is in repositories of these names, in any registry. For those of one registry take the {@link intersection} with
 * {@link registry}.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid where one is no name of a repository
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
 * What is in repositories below these prefixes, in any registry: `team/` is that of `team/app` and `team/a/b`, not of
 * `team` and not of `teams/app`. A prefix ends with a slash.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid where one is no prefix of names of repositories
 */
export const prefix = (...prefixes: ReadonlyArray<string>): ReferenceSet =>
  new Sets({
    _tag: "Repository",
    names: new Set(),
    prefixes: new Set(checked("repository prefix", prefixes, grammar.prefixProblem))
  })

/**
 * What has a tag that matches one of these globs, in any repository. `*` stands for any characters, also none; all else
 * stands for itself: `v1.*`, `*-rc*`, `latest`.
 *
 * A reference without a tag, by digest alone, is in no such set, and so a filter that allows tags only gives nothing out
 * by digest: allow that, if it is meant, by the {@link union} with {@link untagged}. To leave tags out hides only the
 * tags: what they point at can still be had by its digest. Where a reference has both, its digest is not looked at.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid where one is no glob of tags
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
 * What is in either set.
 *
 * @since 0.1.0
 * @category combinators
 */
export const union: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet =>
    new Sets(internal.union(own(self).expression, own(that).expression))
)

/**
 * What is in both sets.
 *
 * @since 0.1.0
 * @category combinators
 */
export const intersection: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = dual(
  2,
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet =>
    new Sets(internal.intersection(own(self).expression, own(that).expression))
)

/**
 * What is not in a set.
 *
 * @since 0.1.0
 * @category combinators
 */
export const complement = (self: ReferenceSet): ReferenceSet => new Sets(internal.complement(own(self).expression))

/**
 * What is in the first set and not in the second.
 *
 * @since 0.1.0
 * @category combinators
 */
export const difference: {
  (that: ReferenceSet): (self: ReferenceSet) => ReferenceSet
  (self: ReferenceSet, that: ReferenceSet): ReferenceSet
} = dual(2, (self: ReferenceSet, that: ReferenceSet): ReferenceSet => intersection(self, complement(that)))

/**
 * What has no tag: references by digest alone, or to a repository as such.
 *
 * @since 0.1.0
 * @category constants
 */
export const untagged: ReferenceSet = complement(tags("*"))

/**
 * Whether a reference is in a set. Names are looked up; globs and members of unions and intersections are tried in
 * turn.
 *
 * @since 0.1.0
 * @category predicates
 */
export const contains: {
  (candidate: Candidate): (self: ReferenceSet) => boolean
  (self: ReferenceSet, candidate: Candidate): boolean
} = dual(
  2,
  (self: ReferenceSet, candidate: Candidate): boolean =>
    internal.holds(own(self).expression, candidate.registry, candidate.repository, candidate.tag)
)

/**
 * Whether anything in a repository is in a set, with whatever tag or with none: what to ask where an operation names
 * only the repository, as for blobs and lists.
 *
 * The first time that it is asked of a set whose answer depends on tags, the tags that matter are searched for, as by
 * {@link witness}; later they are tried in turn.
 *
 * @since 0.1.0
 * @category predicates
 */
export const touches: {
  (place: Omit<Candidate, "tag">): (self: ReferenceSet) => boolean
  (self: ReferenceSet, place: Omit<Candidate, "tag">): boolean
} = dual(2, (self: ReferenceSet, { registry, repository }: Omit<Candidate, "tag">): boolean => {
  const { expression, tagSamples } = own(self)
  for (const tag of tagSamples) if (internal.holds(expression, registry, repository, tag)) return true
  return false
})

/**
 * A member of a set, or none if it is empty.
 *
 * Found by trying one reference of each kind that the set can tell apart: as many as there are hosts, times names and
 * prefixes, times kinds of tags that the set mentions. The kinds of tags are found by running all globs at once. They
 * are few unless many globs are intersected that overlap without one being in the other, such as `*a*` and `*b*`, which
 * can double them each; those that are joined by a union count as one.
 *
 * @since 0.1.0
 * @category getters
 */
export const witness = (self: ReferenceSet): Option.Option<Reference.Reference> => {
  const { expression, tagSamples } = own(self)
  return Option.map(samples.member(expression, tagSamples), Reference.make)
}

/**
 * Whether a set has no members. Costs what {@link witness} does.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (self: ReferenceSet): boolean => Option.isNone(witness(self))

/**
 * Whether every member of the second set is in the first. Costs what {@link witness} does; where the answer is no, the
 * witness of the {@link difference} of the second and the first says why.
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
} = dual(2, (self: ReferenceSet, that: ReferenceSet): boolean => isEmpty(difference(that, self)))

/**
 * Whether two sets have the same members. Costs what {@link witness} does.
 *
 * @since 0.1.0
 * @category predicates
 */
export const equals: {
  (that: ReferenceSet): (self: ReferenceSet) => boolean
  (self: ReferenceSet, that: ReferenceSet): boolean
} = dual(2, (self: ReferenceSet, that: ReferenceSet): boolean => includes(self, that) && includes(that, self))
