import { Operation, Registry } from "@effect-oci/core"
import type * as Laws from "@effect-oci/laws/Laws"
import { Memory } from "@effect-oci/store"
import * as History from "@effect-oci/testing/History"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import { ReadOnly, Union } from "../src/index.js"

type Service = Registry["Type"]

const policies: ReadonlyArray<Union.Options> = [
  {},
  { read: "race" },
  { tags: "agree", passOver: () => true },
  { push: "all", passOver: () => true },
  { read: "race", tags: "agree", push: "all" }
]

const named = (registry: Service, index: number) => ({ name: `member ${index}`, registry })

const unionOf = (options: Union.Options, ...registries: ReadonlyArray<Service>): Service => {
  const [last, ...others] = registries.toReversed()
  return Registry.fromHandler(Union.middleware(others.toReversed().map(named), options)(last!.handle))
}

const memory = Effect.map(Layer.build(Memory.layer()), (context) => Context.get(context, Registry))

/** Runs a history on a union of three registries that already contain something, and returns the results. */
const tell = (
  union: (registries: ReadonlyArray<Service>) => Service,
  before: ReadonlyArray<ReadonlyArray<History.Step>>,
  history: ReadonlyArray<History.Step>
): Promise<ReadonlyArray<Laws.Response>> =>
  Effect.gen(function*() {
    const registries = yield* Effect.forEach(before, (steps) =>
      Effect.tap(memory, (registry) => Effect.provideService(History.run(steps), Registry, registry)))
    return yield* Effect.provideService(History.run(history), Registry, union(registries))
  }).pipe(Effect.scoped, Effect.runPromise)

const steps = (maxLength: number) => History.history(maxLength)

/** Returns the results and the tags of errors. Messages are left out, because they name the members, which differ. */
const outline = (responses: ReadonlyArray<Laws.Response>) =>
  responses.map(({ operation, error, result }) =>
    JSON.stringify(error === undefined ? { operation, result } : { operation, error })
  )

const same = (
  ways: ReadonlyArray<(registries: ReadonlyArray<Service>) => Service>,
  members: number,
  keep: (step: History.Step) => boolean = () => true
) =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(...Array.from({ length: members }, () => steps(12))),
      steps(25).map((all) => all.filter(keep)),
      async (before, history) => {
        const [one, ...others] = await Promise.all(ways.map((way) => tell(way, before, history)))
        for (const other of others) expect(outline(other)).toEqual(outline(one!))
      }
    ),
    { numRuns: 12, seed: 20_261_121 }
  )

const isRead = ({ operation }: History.Step) => {
  const { access } = Operation.traits[operation]
  return access === "read" || access === "list"
}

describe("laws of Union", () => {
  it("of one member equals that member", () => {
    const { handle } = Registry.fromHandler(samples.known)
    for (const options of policies) expect(Union.middleware([], options)(handle)).toBe(handle)
  })

  describe.each(policies.map((options) => ({ options, name: JSON.stringify(options) })))("$name", ({ options }) => {
    it("is associative in results and in the tags of errors", () =>
      same(
        [
          ([a, b, c]) => unionOf(options, a!, b!, c!),
          ([a, b, c]) => unionOf(options, unionOf(options, a!, b!), c!),
          ([a, b, c]) => unionOf(options, a!, unionOf(options, b!, c!))
        ],
        3
      ))

    it("of one member twice reads as that member", () =>
      same([([a]) => unionOf(options, a!, a!), ([a]) => a!], 1, isRead))

    it("ReadOnly distributes over it", () => {
      const readOnly = ({ handle }: Service) => Registry.fromHandler(ReadOnly.middleware()(handle))
      return same(
        [
          ([a, b]) => readOnly(unionOf(options, a!, b!)),
          ([a, b]) => unionOf(options, readOnly(a!), readOnly(b!))
        ],
        2,
        // The union reports an unknown upload id, and an existing tag, before it asks a member whether it accepts
        // writes.
        ({ operation, ifAbsent, ifMatch }) =>
          !(options.push === "all" && /^(Get|Append|Complete|Cancel)Upload$/.test(operation)) &&
          !(operation === "PushManifest" && (ifAbsent || ifMatch !== undefined))
      )
    })
  })
})
