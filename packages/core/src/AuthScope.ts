/**
 * Access scopes: what a token allows, and what a request needs. A set of resource scopes with the text it was read
 * from. Under {@link union} and {@link intersection}, ordered by {@link contains}, they are a lattice, of which
 * {@link empty} is the bottom and {@link unlimited} the top.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Equal from "effect/Equal"
import * as equivalence from "effect/Equivalence"
import { dual } from "effect/Function"
import * as Hash from "effect/Hash"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Grants from "./internal/grants.js"
import { printable } from "./Printable.js"
import * as ResourceScope from "./ResourceScope.js"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-oci/core/AuthScope")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * An access scope. Two of them are equal (`Equal.equals`) if each contains the other, whatever their texts. To iterate
 * gives {@link values}. `toString`, JSON and inspection show the text fit for a log, escaped and cut at 1024
 * characters; the exact text is {@link format}'s.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthScope extends Iterable<ResourceScope.ResourceScope>, Equal.Equal, Inspectable, Pipeable {
  readonly [TypeId]: TypeId
}

class Scope implements AuthScope {
  readonly [TypeId]: TypeId = TypeId
  private canonicalText: string | undefined

  constructor(
    readonly grants: Grants.Grants,
    /** What it was read from, if it was. */
    readonly source?: string,
    readonly unlimited: boolean = false
  ) {}

  get canonical(): string {
    return this.canonicalText ??= this.unlimited ? "*" : Grants.format(this.grants)
  }
  get text(): string {
    return this.source ?? this.canonical
  }
  contains(that: Scope): boolean {
    return this === that || this.unlimited || (!that.unlimited && Grants.includes(this.grants, that.grants))
  }

  [Symbol.iterator](): Iterator<ResourceScope.ResourceScope> {
    return Grants.values(this.grants)[Symbol.iterator]()
  }
  [Equal.symbol](that: unknown): boolean {
    return is(that) && equals(this, that)
  }
  [Hash.symbol](): number {
    return Hash.string(this.canonical)
  }
  toString(): string {
    return printable(this.text)
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

const own = (scope: AuthScope): Scope => scope as Scope

/**
 * Whether `value` is an access scope.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (value: unknown): value is AuthScope => hasProperty(value, TypeId)

/**
 * The scope that allows nothing. Its text is empty.
 *
 * @since 0.1.0
 * @category constants
 */
export const empty: AuthScope = new Scope(new Map())

/**
 * The scope that contains every other, for what may be used without bounds. No text means it: `*` is shown for it, is
 * not for a token server, and is read back by {@link parse} as an opaque scope.
 *
 * @since 0.1.0
 * @category constants
 */
export const unlimited: AuthScope = new Scope(new Map(), undefined, true)

/**
 * Reads a scope. Any text is one: words separated by white space, each `type:resource:actions` (the first and the last
 * colon count, the actions are separated by commas), or else opaque. Takes linear time.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 *
 * const scope = AuthScope.parse("repository:team/app:push,pull")
 * const text = AuthScope.format(scope) // "repository:team/app:push,pull", as it came
 * const canonical = AuthScope.format(AuthScope.canonical(scope)) // "repository:team/app:pull,push"
 * ```
 */
export const parse = (text: string): AuthScope => new Scope(Grants.parse(text), text)

/**
 * The scope of these resource scopes, with its canonical text. A resource scope means what its text says: commas in an
 * action separate actions, and one without a type or a resource is opaque.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (resourceScopes: Iterable<ResourceScope.ResourceScope>): AuthScope =>
  is(resourceScopes) ? resourceScopes : new Scope(Grants.make(resourceScopes))

/**
 * The scope of some actions on one repository.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 *
 * const scope = AuthScope.repository("team/app", "pull", "push")
 * ```
 */
export const repository = (name: string, ...actions: ReadonlyArray<ResourceScope.Action>): AuthScope =>
  actions.length === 0 ? empty : make([ResourceScope.make("repository", name, actions.join(","))])

/**
 * What listing the repositories of a registry requires: `registry:catalog:*`.
 *
 * @since 0.1.0
 * @category constants
 */
export const catalog: AuthScope = make([ResourceScope.catalog])

/**
 * The text of a scope: the very words it was read from, since some token servers want those of their challenge, else
 * the canonical text.
 *
 * @since 0.1.0
 * @category destructors
 */
export const format = (self: AuthScope): string => own(self).text

/**
 * The same scope with its canonical text: in the order of type, resource and action, one word a resource, without
 * duplicates, and without what `*` holds already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const canonical = (self: AuthScope): AuthScope => {
  const { canonical, grants, text, unlimited } = own(self)
  return text === canonical ? self : new Scope(grants, canonical, unlimited)
}

/**
 * The resource scopes of which a scope is made, in canonical order. Of {@link unlimited} there are none that could be
 * named: ask {@link isUnlimited} first where it may come.
 *
 * @since 0.1.0
 * @category destructors
 */
export const values = (self: AuthScope): ReadonlyArray<ResourceScope.ResourceScope> => Grants.values(own(self).grants)

/**
 * How many resource scopes a scope is made of: none can be said for {@link unlimited}.
 *
 * @since 0.1.0
 * @category getters
 */
export const size = (self: AuthScope): Option.Option<number> =>
  isUnlimited(self) ? Option.none() : Option.some(Grants.size(own(self).grants))

/**
 * Whether a scope allows nothing.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (self: AuthScope): boolean => !isUnlimited(self) && own(self).grants.size === 0

/**
 * Whether a scope contains every other.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUnlimited = (self: AuthScope): boolean => own(self).unlimited

/**
 * Whether `self` allows all that `that` does. `*` on a resource holds every action on it.
 *
 * @since 0.1.0
 * @category predicates
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 *
 * const granted = AuthScope.parse("repository:team/app:*")
 * const allowed = AuthScope.contains(granted, AuthScope.repository("team/app", "pull")) // true
 * ```
 */
export const contains: {
  (that: AuthScope): (self: AuthScope) => boolean
  (self: AuthScope, that: AuthScope): boolean
} = dual(2, (self: AuthScope, that: AuthScope): boolean => own(self).contains(own(that)))

/**
 * Whether a scope allows one action on one resource.
 *
 * @since 0.1.0
 * @category predicates
 */
export const holds: {
  (resourceScope: ResourceScope.ResourceScope): (self: AuthScope) => boolean
  (self: AuthScope, resourceScope: ResourceScope.ResourceScope): boolean
} = dual(
  2,
  (self: AuthScope, resourceScope: ResourceScope.ResourceScope): boolean => contains(self, make([resourceScope]))
)

/**
 * Whether two scopes allow the same: each contains the other.
 *
 * @since 0.1.0
 * @category predicates
 */
export const equals: {
  (that: AuthScope): (self: AuthScope) => boolean
  (self: AuthScope, that: AuthScope): boolean
} = dual(2, (self: AuthScope, that: AuthScope): boolean => contains(self, that) && contains(that, self))

/**
 * What either allows. It is `self` itself, text and all, when `that` adds nothing, and `that` itself when only `self`
 * adds nothing; else it has its canonical text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const union: {
  (that: AuthScope): (self: AuthScope) => AuthScope
  (self: AuthScope, that: AuthScope): AuthScope
} = dual(2, (self: AuthScope, that: AuthScope): AuthScope =>
  contains(self, that)
    ? self
    : contains(that, self)
    ? that
    : new Scope(Grants.union([own(self).grants, own(that).grants])))

/**
 * What any of them allows: {@link empty} for none of them. Where one contains all the others it is that one itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unionAll = (scopes: Iterable<AuthScope>): AuthScope => {
  const all = Array.from(scopes, own)
  const top = all.find(isUnlimited)
  if (top !== undefined) return top
  const whole = new Scope(Grants.union(all.map((scope) => scope.grants)))
  return all.find((scope) => contains(scope, whole)) ?? whole
}

/**
 * What both allow. It is `self` itself, text and all, when `that` contains it. Of what a stranger names, such as a
 * challenge, this keeps what belongs to one repository:
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 *
 * const challenge = AuthScope.parse("repository:team/app:pull,push repository:other:push")
 * const heeded = AuthScope.intersection(challenge, AuthScope.repository("team/app", "*"))
 * const text = AuthScope.format(heeded) // "repository:team/app:pull,push"
 * ```
 */
export const intersection: {
  (that: AuthScope): (self: AuthScope) => AuthScope
  (self: AuthScope, that: AuthScope): AuthScope
} = dual(2, (self: AuthScope, that: AuthScope): AuthScope =>
  contains(that, self)
    ? self
    : contains(self, that)
    ? that
    : new Scope(Grants.intersection(own(self).grants, own(that).grants)))

/**
 * What `required` allows and `held` does not: what is missing. It is empty exactly when `held` contains `required`.
 * What is missing of {@link unlimited} is unlimited, and of `*` on a resource it is `*`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const difference: {
  (held: AuthScope): (required: AuthScope) => AuthScope
  (required: AuthScope, held: AuthScope): AuthScope
} = dual(2, (required: AuthScope, held: AuthScope): AuthScope =>
  contains(held, required)
    ? empty
    : isUnlimited(required)
    ? unlimited
    : new Scope(Grants.difference(own(required).grants, own(held).grants)))

/**
 * Scopes are equivalent when they allow the same: {@link equals}.
 *
 * @since 0.1.0
 * @category instances
 */
export const Equivalence: equivalence.Equivalence<AuthScope> = equivalence.make(equals)

/**
 * The identifier of {@link required}.
 *
 * @since 0.1.0
 * @category context
 */
export interface Required {
  readonly _: unique symbol
}

/**
 * The scope that the request in hand needs, as the transport learns it from above: {@link empty} by default. Who lowers
 * an operation to requests provides its required scope round each; a client of one's own can do the same. A token whose
 * scope contains it is used at once, and a new one is asked for with at least this.
 *
 * @since 0.1.0
 * @category context
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 * import type { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const tags = (client: HttpClient.HttpClient) =>
 *   client.get("https://registry.example/v2/team/app/tags/list").pipe(
 *     Effect.provideService(AuthScope.required, AuthScope.repository("team/app", "pull"))
 *   )
 * ```
 */
export const required: Context.Reference<Required, AuthScope> = Context.Reference<Required>()(
  "@effect-oci/core/AuthScope/required",
  { defaultValue: () => empty }
)

/**
 * The identifier of {@link hint}.
 *
 * @since 0.1.0
 * @category context
 */
export interface Hint {
  readonly _: unique symbol
}

/**
 * The scope that a caller will need beyond the request in hand: {@link empty} by default. New tokens are asked for with
 * the required scope and this one, so that one token serves a batch. It never widens what a request needs: a token
 * that has the required scope is used whether it has the hinted one or not, and a token server that refuses the two
 * together is asked once more without the hint.
 *
 * @since 0.1.0
 * @category context
 * @example
 * ```ts
 * import { AuthScope } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const withPush = <A, E, R>(copy: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
 *   copy.pipe(Effect.provideService(AuthScope.hint, AuthScope.repository("team/app", "pull", "push")))
 * ```
 */
export const hint: Context.Reference<Hint, AuthScope> = Context.Reference<Hint>()(
  "@effect-oci/core/AuthScope/hint",
  { defaultValue: () => empty }
)
