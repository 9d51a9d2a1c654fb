/**
 * Access scopes: what a token allows, and what a request requires. A scope is a set of resource scopes, together with
 * the text it was parsed from. Scopes form a lattice under {@link union} and {@link intersection}, ordered by
 * {@link contains}, with {@link empty} as bottom and {@link unlimited} as top.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as equivalence from "effect/Equivalence"
import { dual } from "effect/Function"
import * as Hash from "effect/Hash"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
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
 * An access scope. Two scopes are equal (`Equal.equals`) if each contains the other, even if their texts differ.
 * Iteration yields {@link values}. `toString`, JSON and inspection return a text that is safe for logs: escaped, and
 * cut at 1024 characters. For the exact text use {@link format}.
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
  private resourceScopes: ReadonlyArray<ResourceScope.ResourceScope> | undefined

  constructor(
    readonly grants: Grants.Grants,
    /** The text that the scope was parsed from, if any. */
    readonly source?: string,
    readonly unlimited: boolean = false
  ) {}

  get canonical(): string {
    return this.canonicalText ??= this.unlimited ? "*" : Grants.format(this.grants)
  }
  get values(): ReadonlyArray<ResourceScope.ResourceScope> {
    return this.resourceScopes ??= Grants.values(this.grants)
  }
  get text(): string {
    return this.source ?? this.canonical
  }
  contains(that: Scope): boolean {
    return this === that || this.unlimited || (!that.unlimited && Grants.includes(this.grants, that.grants))
  }

  [Symbol.iterator](): Iterator<ResourceScope.ResourceScope> {
    return this.values[Symbol.iterator]()
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

const internals = (scope: AuthScope): Scope => scope as Scope

/**
 * Returns whether `value` is an access scope.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (value: unknown): value is AuthScope => hasProperty(value, TypeId)

/**
 * The scope that allows nothing. Its text is the empty string.
 *
 * @since 0.1.0
 * @category constants
 */
export const empty: AuthScope = new Scope(new Map())

/**
 * The scope that contains every other scope, for credentials without limits. It has no text form: it is displayed as
 * `*`, but `*` must not be sent to a token server, and {@link parse} reads `*` as an opaque scope.
 *
 * @since 0.1.0
 * @category constants
 */
export const unlimited: AuthScope = new Scope(new Map(), undefined, true)

/**
 * Parses a scope. Every text is a valid scope: words separated by white space. A word of the form
 * `type:resource:actions` is split at its first and its last colon, and its actions at commas. Any other word is
 * opaque. Takes linear time.
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
 * Creates a scope from resource scopes, with canonical text. A resource scope is interpreted by its text: commas in an
 * action separate actions, and a resource scope without a type or a resource is opaque.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (resourceScopes: Iterable<ResourceScope.ResourceScope>): AuthScope =>
  is(resourceScopes) ? resourceScopes : new Scope(Grants.make(resourceScopes))

/**
 * Creates the scope of some actions on one repository.
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
 * The scope that listing the repositories of a registry requires: `registry:catalog:*`.
 *
 * @since 0.1.0
 * @category constants
 */
export const catalog: AuthScope = make([ResourceScope.catalog])

/**
 * Returns the text of a scope. If the scope was parsed, returns the original text, because some token servers require
 * the exact text of their challenge. Otherwise returns the canonical text.
 *
 * @since 0.1.0
 * @category destructors
 */
export const format = (self: AuthScope): string => internals(self).text

/**
 * Returns the same scope with its canonical text: sorted by type, resource and action, one word for each resource,
 * without duplicates, and without actions that `*` includes already.
 *
 * @since 0.1.0
 * @category combinators
 */
export const canonical = (self: AuthScope): AuthScope => {
  const { canonical, grants, text, unlimited } = internals(self)
  return text === canonical ? self : new Scope(grants, canonical, unlimited)
}

/**
 * Returns the resource scopes in a scope, in canonical order. Returns an empty array for {@link unlimited}, so check
 * {@link isUnlimited} first where that scope is possible.
 *
 * @since 0.1.0
 * @category destructors
 */
export const values = (self: AuthScope): ReadonlyArray<ResourceScope.ResourceScope> => internals(self).values

/**
 * Returns the number of resource scopes in a scope, or `undefined` for {@link unlimited}.
 *
 * @since 0.1.0
 * @category getters
 */
export const size = (self: AuthScope): number | undefined =>
  isUnlimited(self) ? undefined : Grants.size(internals(self).grants)

/**
 * Returns whether a scope allows nothing.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEmpty = (self: AuthScope): boolean => !isUnlimited(self) && internals(self).grants.size === 0

/**
 * Returns whether a scope is {@link unlimited}.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUnlimited = (self: AuthScope): boolean => internals(self).unlimited

/**
 * Returns whether `self` allows everything that `that` allows. The action `*` on a resource includes every action on
 * it.
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
} = /* @__PURE__ */ dual(2, (self: AuthScope, that: AuthScope): boolean => internals(self).contains(internals(that)))

/**
 * Returns whether a scope allows one action on one resource.
 *
 * @since 0.1.0
 * @category predicates
 */
export const holds: {
  (resourceScope: ResourceScope.ResourceScope): (self: AuthScope) => boolean
  (self: AuthScope, resourceScope: ResourceScope.ResourceScope): boolean
} = /* @__PURE__ */ dual(
  2,
  (self: AuthScope, resourceScope: ResourceScope.ResourceScope): boolean => contains(self, make([resourceScope]))
)

/**
 * Returns whether two scopes allow the same: each contains the other.
 *
 * @since 0.1.0
 * @category predicates
 */
export const equals: {
  (that: AuthScope): (self: AuthScope) => boolean
  (self: AuthScope, that: AuthScope): boolean
} = /* @__PURE__ */ dual(2, (self: AuthScope, that: AuthScope): boolean => contains(self, that) && contains(that, self))

/**
 * Returns the scope that allows what either scope allows. If one of the two scopes contains the other, returns that
 * scope itself with its text (`self` if they are equal). Otherwise the result has canonical text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const union: {
  (that: AuthScope): (self: AuthScope) => AuthScope
  (self: AuthScope, that: AuthScope): AuthScope
} = /* @__PURE__ */ dual(2, (self: AuthScope, that: AuthScope): AuthScope =>
  contains(self, that)
    ? self
    : contains(that, self)
    ? that
    : new Scope(Grants.union([internals(self).grants, internals(that).grants])))

/**
 * Returns the scope that allows what any of the scopes allows, or {@link empty} if there are no scopes. If one scope
 * contains all others, returns that scope itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unionAll = (scopes: Iterable<AuthScope>): AuthScope => {
  const all = Array.from(scopes, internals)
  const top = all.find(isUnlimited)
  if (top !== undefined) return top
  const whole = new Scope(Grants.union(all.map((scope) => scope.grants)))
  return all.find((scope) => contains(scope, whole)) ?? whole
}

/**
 * Returns the scope that allows what both scopes allow. If `that` contains `self`, returns `self` itself with its text.
 * The example limits a scope from an untrusted source, such as a challenge, to one repository:
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
} = /* @__PURE__ */ dual(2, (self: AuthScope, that: AuthScope): AuthScope =>
  contains(that, self)
    ? self
    : contains(self, that)
    ? that
    : new Scope(Grants.intersection(internals(self).grants, internals(that).grants)))

/**
 * Returns the missing part of a scope: what `required` allows and `granted` does not. The result is empty exactly if
 * `granted` contains `required`. If `required` is {@link unlimited}, the missing part is unlimited. If `required` has `*`
 * on a resource, the missing part has `*` on that resource.
 *
 * @since 0.1.0
 * @category combinators
 */
export const difference: {
  (granted: AuthScope): (required: AuthScope) => AuthScope
  (required: AuthScope, granted: AuthScope): AuthScope
} = /* @__PURE__ */ dual(2, (required: AuthScope, granted: AuthScope): AuthScope =>
  contains(granted, required)
    ? empty
    : isUnlimited(required)
    ? unlimited
    : new Scope(Grants.difference(internals(required).grants, internals(granted).grants)))

/**
 * The equivalence of scopes: {@link equals}.
 *
 * @since 0.1.0
 * @category instances
 */
export const Equivalence: equivalence.Equivalence<AuthScope> = /* @__PURE__ */ equivalence.make(equals)
