/**
 * Resource scopes: one action on one resource. An `AuthScope` is a set of them.
 *
 * @since 0.1.0
 */
import * as equivalence from "effect/Equivalence"
import * as order from "effect/Order"
import type * as Ordering from "effect/Ordering"

/**
 * An action on a resource: a well-known name, or an action that only some registry defines. `*` includes every action
 * on the resource.
 *
 * @since 0.1.0
 * @category models
 */
export type Action = "pull" | "push" | "delete" | "*" | (string & {})

/**
 * One action on one resource. A scope that was not written as `type:resource:actions` is opaque: `type` contains its
 * whole text, and `resource` and `action` are empty. Spec: [Token Scope
 * Documentation](https://distribution.github.io/distribution/spec/auth/scope/).
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourceScope {
  /** `repository`, `registry` or another type, with its class if it has one: `repository(plugin)`. */
  readonly type: string
  /** The name of the resource, such as the name of a repository. It may contain colons. */
  readonly resource: string
  readonly action: Action
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (type: string, resource: string, action: Action): ResourceScope => ({ type, resource, action })

/**
 * The resource scope that listing the repositories of a registry requires: `registry:catalog:*`.
 *
 * @since 0.1.0
 * @category constants
 */
export const catalog: ResourceScope = make("registry", "catalog", "*")

/**
 * Returns whether a resource scope is opaque, that is, whether only its text is known.
 *
 * @since 0.1.0
 * @category guards
 */
export const isOpaque = (self: ResourceScope): boolean => self.resource === "" && self.action === ""

/**
 * Returns the text of a resource scope as a token server reads it: one word. White space is percent-encoded, because it
 * would end the word.
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
 * The canonical order: by type, then resource, then action, each compared by UTF-16 code units.
 *
 * @since 0.1.0
 * @category instances
 */
export const Order: order.Order<ResourceScope> = /* @__PURE__ */ order.make((self, that) =>
  compareText(self.type, that.type) || compareText(self.resource, that.resource) ||
  compareText(self.action, that.action)
)

/**
 * The equivalence of resource scopes: all three parts are equal.
 *
 * @since 0.1.0
 * @category instances
 */
export const Equivalence: equivalence.Equivalence<ResourceScope> = /* @__PURE__ */ equivalence.make((self, that) =>
  self.type === that.type && self.resource === that.resource && self.action === that.action
)
