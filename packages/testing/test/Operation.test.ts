import * as Body from "@effect-oci/core/Body"
import * as Operation from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import { describe, expect, it } from "@effect/vitest"
import { Equal } from "effect"
import * as fc from "fast-check"
import * as Arbitraries from "../src/Arbitraries.js"

const { operation } = Arbitraries

/** Copies an operation: fields in another order, absent fields `undefined`, bytes copied. */
const copied = (original: Operation.Operation): Operation.Operation => {
  const copy = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return value.slice()
    if (Body.isBody(value)) return value.bytes === undefined ? value : Body.bytes(value.bytes.slice())
    if (Array.isArray(value)) return value.map(copy)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(Object.entries(value).toReversed().map(([name, field]) => [name, copy(field)]))
  }
  const optional = {
    range: undefined,
    from: undefined,
    algorithm: undefined,
    offset: undefined,
    ifAbsent: undefined,
    ifMatch: undefined
  }
  const Class = Operation[original._tag] as new(fields: never) => Operation.Operation
  return new Class({ ...optional, ...copy({ ...original }) as object } as never)
}

/** A few operations, so that two of them are often equal. */
const pool = fc.sample(operation, { seed: 7, numRuns: 5 })
const near = fc.constantFrom(...pool, ...pool.map(copied))

describe("Operation.equivalence is an equivalence", () => {
  it("is reflexive, also for copies", () =>
    fc.assert(fc.property(operation, (a) => {
      expect(Operation.equivalence(a, a)).toBe(true)
      expect(Operation.equivalence(a, copied(a))).toBe(true)
    })))

  it("is symmetric", () =>
    fc.assert(fc.property(near, near, (a, b) => {
      expect(Operation.equivalence(a, b)).toBe(Operation.equivalence(b, a))
    })))

  it("is transitive", () =>
    fc.assert(fc.property(near, near, near, (a, b, c) => {
      fc.pre(Operation.equivalence(a, b) && Operation.equivalence(b, c))
      expect(Operation.equivalence(a, c)).toBe(true)
    })))

  it("holds if Equal.equals does", () =>
    fc.assert(fc.property(near, near, (a, b) => {
      fc.pre(Equal.equals(a, b))
      expect(Operation.equivalence(a, b)).toBe(true)
    })))

  it("compares every field", () =>
    fc.assert(fc.property(operation, (a) => {
      for (const field of Object.keys(a).filter((name) => name !== "_tag")) {
        const Class = Operation[a._tag] as new(fields: object) => Operation.Operation
        const other = new Class({ ...a, [field]: { other: true } })
        expect(Operation.equivalence(a, other)).toBe(false)
      }
    })))
})

describe("Operation.mapRepositories", () => {
  type Rename = (name: RepositoryName.RepositoryName) => RepositoryName.RepositoryName
  const prefix: Rename = (name) => RepositoryName.make(`p/${name}`.slice(0, 255).replace(/[^a-z0-9]+$/, ""))
  const replace: Rename = () => RepositoryName.make("replaced")
  const count: Rename = (name) => RepositoryName.make(`n${name.length}`)
  const rename = fc.constantFrom(prefix, replace, count)

  it("with the identity is the identity", () =>
    fc.assert(fc.property(operation, (a) => {
      expect(Equal.equals(Operation.mapRepositories(a, (name) => name), a)).toBe(true)
    })))

  it("with two functions in sequence equals their composition", () =>
    fc.assert(fc.property(operation, rename, rename, (a, f, g) => {
      const both = Operation.mapRepositories(a, (name) => g(f(name)))
      expect(Equal.equals(Operation.mapRepositories(Operation.mapRepositories(a, f), g), both)).toBe(true)
    })))

  it("keeps the class and all fields that are not repositories", () =>
    fc.assert(fc.property(operation, rename, (a, f) => {
      const mapped = Operation.mapRepositories(a, f)
      expect(mapped.constructor).toBe(a.constructor)
      expect(Object.keys(mapped)).toEqual(Object.keys(a))
      for (const [field, value] of Object.entries(a)) {
        if (["repository", "from"].includes(field) || (field === "last" && a._tag === "ListRepositories")) continue
        expect((mapped as unknown as Record<string, unknown>)[field]).toBe(value)
      }
    })))

  it("replaces every repository name", () =>
    fc.assert(fc.property(operation, (a) => {
      const mapped = Operation.mapRepositories(a, replace)
      const names = [
        ...Operation.repositories(mapped).map(({ repository }) => repository),
        ...(mapped._tag === "ListRepositories" && mapped.last !== undefined ? [mapped.last] : [])
      ]
      expect(names.every((name) => name === "replaced")).toBe(true)
      expect(Operation.repositories(mapped)).toHaveLength(Operation.repositories(a).length)
      expect(Operation.errorFields(mapped).repository).toBe("repository" in a ? "replaced" : undefined)
    })))

  it("does not change its input", () =>
    fc.assert(fc.property(operation, (a) => {
      const before = { ...a }
      Operation.mapRepositories(a, replace)
      expect({ ...a }).toEqual(before)
    })))
})
