import type { Handler } from "@effect-oci/core"
import { Registry } from "@effect-oci/core"
import * as Faulty from "@effect-oci/laws/Faulty"
import { Cache, Retry, Union } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import { describe, expect, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Context, Effect, Layer } from "effect"
import * as interrupted from "./interrupted.js"

interface Sweep {
  readonly name: string
  readonly planAt: (k: number) => Faulty.Plan
  /** Whether every run succeeds. Otherwise some runs fail with an error of a registry. */
  readonly succeeds: boolean
  /** The number of faults, if it is known. */
  readonly faults?: number
  readonly step?: number
}

const at = (fault: Faulty.Fault, times = 1) => (k: number) => Faulty.operation(k, fault, { times })

const cut = (after: number, how: "fails" | "ends"): Faulty.Fault => ({ _tag: "Cut", after, how })

const sweeps: ReadonlyArray<Sweep> = [
  { name: "every operation fails", planAt: at({ _tag: "Fail" }), succeeds: true, faults: 4 + 5 },
  { name: "every operation fails five times", planAt: at({ _tag: "Fail" }, 5), succeeds: true },
  { name: "every operation fails forever", planAt: at({ _tag: "Fail" }, Infinity), succeeds: false },
  { name: "every answer is lost", planAt: at({ _tag: "Lose" }), succeeds: true, faults: 4 + 5 },
  { name: "every answer is lost twice", planAt: at({ _tag: "Lose" }, 2), succeeds: true },
  {
    name: "every operation answers 429",
    planAt: at({ _tag: "Fail", failure: Faulty.tooManyRequests() }),
    succeeds: true,
    faults: 4 + 5
  },
  ...[500, 502, 504].map((status): Sweep => ({
    name: `every operation answers ${status}`,
    planAt: at({ _tag: "Lose", failure: Faulty.status(status) }),
    succeeds: true,
    faults: 4 + 5
  })),
  { name: "every operation is performed twice", planAt: at({ _tag: "Duplicate" }), succeeds: true, faults: 4 + 5 },
  { name: "every body and list breaks at its beginning", planAt: at(cut(0, "fails")), succeeds: true, faults: 3 + 4 },
  { name: "every body and list breaks in the middle", planAt: at(cut(6, "fails")), succeeds: true },
  { name: "every body and list breaks at its end", planAt: at(cut(1000, "fails")), succeeds: true, faults: 3 + 4 },
  { name: "every body and list breaks five times", planAt: at(cut(3, "fails"), 5), succeeds: true },
  { name: "the connection breaks at every byte", planAt: Faulty.byte, succeeds: true, faults: 2 * interrupted.size },
  { name: "every size is too large by one", planAt: at({ _tag: "Lie", by: 1 }), succeeds: false },
  { name: "every size is too small by one", planAt: at({ _tag: "Lie", by: -1 }), succeeds: false }
]

const retry = Retry.middleware({ delay: 0, jitter: false })

const sweepOf =
  (registryOf: (bench: interrupted.Bench) => Effect.Effect<Registry["Type"], never, Scope.Scope>) =>
  ({ faults, planAt, step = 1, succeeds }: Sweep) =>
    Effect.gen(function*() {
      const bench = yield* interrupted.bench
      const found = yield* interrupted.sweep(bench, yield* registryOf(bench), planAt, { succeeds, step })
      if (faults === undefined) expect(found).toBeGreaterThan(0)
      else expect(found).toBe(faults)
    }).pipe(Effect.scoped, Effect.runPromise)

/** The sweeps for stacks with other wrappers. */
const some: ReadonlyArray<Sweep> = [
  ...sweeps.filter(({ name }) =>
    name === "every operation fails" || name === "every answer is lost" || name === "every operation fails forever" ||
    name === "every body and list breaks in the middle"
  ),
  { name: "the connection breaks at every fourth byte", planAt: Faulty.byte, succeeds: true, step: 4 }
]

/** Wraps a registry in a cache with a new store. */
const cached = (handle: Handler.Handler) =>
  Effect.gen(function*() {
    const store = Context.get(yield* Layer.build(Memory.layer()), Registry)
    return (yield* Cache.middleware({ store }))(handle)
  })

describe("Retry pushes and pulls an image if", () => {
  it.each(sweeps)(
    "$name",
    sweepOf(({ faulty, registry }) => Effect.succeed(Registry.fromHandler(retry(faulty(registry.handle)))))
  )
})

describe("Cache over Retry pushes and pulls an image if", () => {
  it.each(some)(
    "$name",
    sweepOf(({ faulty, registry }) => Effect.map(cached(retry(faulty(registry.handle))), Registry.fromHandler))
  )
})

describe("Retry over Cache pushes and pulls an image if", () => {
  it.each(some)(
    "$name",
    sweepOf(({ faulty, registry }) =>
      Effect.map(cached(faulty(registry.handle)), (handle) => Registry.fromHandler(retry(handle)))
    )
  )
})

/** Creates a member of a union: a registry in memory. */
const member = (name: string) =>
  Effect.map(Layer.build(Memory.layer()), (context) => ({ name, registry: Context.get(context, Registry) }))

/** A union resolves a tag before it gets the manifest, so one more operation can fail. */
const throughUnion = some.map((sweep): Sweep =>
  sweep.faults === undefined ? sweep : { ...sweep, faults: sweep.faults + 1 }
)

describe("Retry over Union with an empty mirror pushes and pulls an image if", () => {
  it.each(throughUnion)(
    "$name",
    sweepOf(({ faulty, registry }) =>
      Effect.map(member("mirror"), (mirror) => {
        const union = Union.middleware([{ ...mirror, capabilities: ["pull"] }])
        return Registry.fromHandler(retry(union(faulty(registry.handle))))
      })
    )
  )
})

describe("Retry over Union with two push targets, one with Retry, pushes and pulls an image if", () => {
  it.each(throughUnion)(
    "$name",
    sweepOf(({ faulty, registry }) =>
      Effect.map(member("other"), (other) => {
        const union = Union.middleware([other], { push: "all" })
        return Registry.fromHandler(retry(union(retry(faulty(registry.handle)))))
      })
    )
  )
})
