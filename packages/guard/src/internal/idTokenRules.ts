import * as AuthScope from "@effect-oci/core/AuthScope"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Rule } from "../Issuer.js"
import * as Policy from "../Policy.js"

type Claims = { readonly [claim: string]: unknown }

const wildcards: { readonly [wildcard: string]: string } = { "**": "[^]*", "*": "[^/:]*" }

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&")

const patternOf = (text: string): RegExp =>
  new RegExp(`^${text.split(/(\*\*|\*)/).map((part) => wildcards[part] ?? escaped(part)).join("")}$`)

const textsOf = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(textsOf)
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? [String(value)] : []
}

const conditionOf = (when: { readonly [claim: string]: string | ReadonlyArray<string> | undefined }) => {
  const conditions = Object.entries(when).flatMap(([claim, expected]) =>
    expected === undefined ? [] : [{ claim, patterns: [expected].flat().map(patternOf) }]
  )
  return (claims: Claims) =>
    conditions.every(({ claim, patterns }) =>
      Object.hasOwn(claims, claim) &&
      textsOf(claims[claim]).some((text) => patterns.some((pattern) => pattern.test(text)))
    )
}

const placeholder = /\{([\w.-]+)\}/g

/**
 * Replaces the placeholders of a permission by claims. A claim is a text that users of the issuer choose: it must be a
 * repository name as a whole, so that it cannot be a pattern, another scope or a path to another repository.
 */
const fill = (permission: string, claims: Claims, ignoreCase: boolean): string | undefined => {
  let isComplete = true
  const filled = permission.replace(placeholder, (_, claim: string) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
    const text = ignoreCase && typeof value === "string" ? value.toLowerCase() : value
    if (typeof text === "string" && RepositoryName.is(text)) return text
    isComplete = false
    return ""
  })
  return isComplete ? filled : undefined
}

const grantOf = ({ grant }: Rule<Claims>, ignoreCase: boolean): (claims: Claims) => ReadonlyArray<Policy.Policy> => {
  if (typeof grant !== "string") {
    return (claims) => {
      const scope = grant(claims)
      return [(_, requested) => Effect.succeed(AuthScope.intersection(requested, scope))]
    }
  }
  const permissions = grant.trim().split(/\s+/)
  return (claims) =>
    permissions.flatMap((permission) => {
      const filled = fill(permission, claims, ignoreCase)
      const policy = filled === undefined ? undefined : Either.getOrUndefined(Policy.parse(filled))
      return policy === undefined ? [] : [policy]
    })
}

/** Returns the names of the claims of a schema, or `undefined` if it allows any name. */
const namesOf = (claims: Schema.Schema.AnyNoContext): ReadonlySet<string> | undefined => {
  const names = SchemaAST.getPropertySignatures(SchemaAST.typeAST(claims.ast)).map(({ name }) => String(name))
  return names.length === 0 ? undefined : new Set(names)
}

/** Returns what is wrong with a rule. */
const problemOf = ({ grant, when }: Rule<Claims>, names: ReadonlySet<string> | undefined): string | undefined => {
  const template = typeof grant === "string" ? grant : "repository:x:pull"
  const placeholders = Array.from(template.matchAll(placeholder), ([, claim = ""]) => claim)
  const unknown = [...Object.keys(when), ...placeholders].find((claim) => names?.has(claim) === false)
  if (unknown !== undefined) {
    return `there is no claim "${unknown}"; the claims are ${Array.from(names ?? []).join(", ")}`
  }
  const misplaced = template.split(/\s+/).find((permission) => /^[^:]*\{|\{[^:]*$/.test(permission))
  if (misplaced !== undefined) return `in "${misplaced}", a claim is not a part of the name of a repository`
  const sample = Policy.parse(template.replace(placeholder, "x"))
  return Either.isLeft(sample) ? sample.left.message : undefined
}

/** Compiles rules to a function from claims to the policy that they grant. Returns the problem of the first wrong rule. */
export const compile = (
  rules: ReadonlyArray<Rule<Claims>>,
  schema: Schema.Schema.AnyNoContext,
  ignoreCase: boolean
): Either.Either<(claims: Claims) => Policy.Policy, string> => {
  const names = namesOf(schema)
  for (const rule of rules) {
    const problem = problemOf(rule, names)
    if (problem !== undefined) return Either.left(problem)
  }
  const compiled = rules.map((rule) => ({ matches: conditionOf(rule.when), grant: grantOf(rule, ignoreCase) }))
  return Either.right((claims) =>
    Policy.any(...compiled.flatMap(({ grant, matches }) => matches(claims) ? grant(claims) : []))
  )
}
