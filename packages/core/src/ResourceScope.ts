/**
 * Resource scopes: one action on one resource, the parts of which an `AuthScope` is made.
 *
 * @since 0.1.0
 */
import * as equivalence from "effect/Equivalence"
import * as order from "effect/Order"
import type * as Ordering from "effect/Ordering"

/**
 * What may be done to a resource: the actions known by name, or one that some registry has of its own. `*` stands for
 * every action on its resource.
 *
 * @since 0.1.0
 * @category models
 */
export type Action = "pull" | "push" | "delete" | "*" | (string & {})

/**
 * One action on one resource. Where a scope was not written as `type:resource:actions`, its whole text is the `type`,
 * and the other two are empty: it is opaque. Distribution spec, "Token Scope Documentation".
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourceScope {
  /** `repository`, `registry`, or another, with its class if it has one: `repository(plugin)`. */
  readonly type: string
  /** For a `repository` its name. It may hold colons. */
  readonly resource: string
  readonly action: Action
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (type: string, resource: string, action: Action): ResourceScope => ({ type, resource, action })

/**
 * What listing the repositories of a registry requires: `registry:catalog:*`.
 *
 * @since 0.1.0
 * @category constants
 */
export const catalog: ResourceScope = make("registry", "catalog", "*")

/**
 * Whether this is a scope whose text is all that is known of it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isOpaque = (self: ResourceScope): boolean => self.resource === "" && self.action === ""

/**
 * The text of a resource scope: one word, as a token server reads it. White space, which would end the word, is
 * percent-encoded.
 *
 * @since 0.1.0
 * @category destructors
 * @example
 * ```ts
 * import { ResourceScope } from "@effect-oci/core"
 *
 * const text = ResourceScope.format(ResourceScope.catalog) // "registry:catalog:*"
 * ```
 */
export const format = (self: ResourceScope): string =>
  (isOpaque(self) ? self.type : `${self.type}:${self.resource}:${self.action}`).replace(
    /\s/g,
    (space) => encodeURIComponent(space)
  )

const compareText = (self: string, that: string): Ordering.Ordering => self < that ? -1 : self > that ? 1 : 0

/**
 * By type, then resource, then action, each by its UTF-16 code units: the canonical order.
 *
 * @since 0.1.0
 * @category instances
 */
export const Order: order.Order<ResourceScope> = order.make((self, that) =>
  compareText(self.type, that.type) || compareText(self.resource, that.resource) ||
  compareText(self.action, that.action)
)

/**
 * All three parts are the same.
 *
 * @since 0.1.0
 * @category instances
 */
export const Equivalence: equivalence.Equivalence<ResourceScope> = equivalence.make((self, that) =>
  self.type === that.type && self.resource === that.resource && self.action === that.action
)
