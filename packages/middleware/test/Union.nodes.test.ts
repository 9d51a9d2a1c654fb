/** Several processes that push through the same union. */
import { Registry, RepositoryName } from "@effect-oci/core"
import type { Handler, Middleware } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import * as Linearizability from "@effect-oci/testing/Linearizability"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Either, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { Union } from "../src/index.js"

/** Lets other clients run before and after each operation, for a different time each. */
const slow = (seed: number): Middleware.Middleware => (next) => {
  let turn = seed
  const turns = Effect.suspend(() => {
    turn = (turn * 31 + 7) % 101
    return Effect.repeatN(Effect.yieldNow(), turn % 7)
  })
  return (operation) => Effect.zipLeft(Effect.zipRight(turns, Effect.suspend(() => next(operation))), turns) as never
}

const repository = RepositoryName.make("team/app")

/** Returns the tags of a registry, and their manifests. */
const tagsOf = (registry: Registry.Service) =>
  Stream.runCollect(registry.listTags(repository)).pipe(
    Effect.orElseSucceed(() => Chunk.empty()),
    Effect.flatMap((tags) =>
      Effect.forEach(
        tags,
        (tag) => Effect.map(registry.resolveManifest(repository, tag), ({ digest }) => [tag, digest])
      )
    )
  )

/** Runs races of clients whose operations go through three processes in turn. Returns those that go wrong. */
const races = (push: "all" | "ordered") =>
  Effect.map(
    Effect.forEach(fc.sample(Linearizability.race, { numRuns: 40, seed: 2 }), (race, seed) =>
      Effect.gen(function*() {
        const stores = yield* Effect.replicateEffect(
          Effect.map(Layer.build(Layer.fresh(Memory.layer())), Context.get(Registry)),
          3
        )
        const members = stores.map((store, at) => ({
          name: `member ${at}`,
          registry: Registry.fromHandler(slow(seed + 17 * at)(store.handle))
        }))
        const processes = yield* Effect.replicateEffect(
          Effect.map(Layer.build(Layer.fresh(Union.layer(members, { push }))), Context.get(Registry)),
          3
        )
        let turn = 0
        const balanced: Handler.Handler = (operation) => processes[turn++ % 3]!.handle(operation)
        const steps = race.map((client) => client.filter(({ operation }) => operation !== "deleteManifest"))
        const history = yield* Effect.provideService(
          Linearizability.run(steps, { repository }),
          Registry,
          Registry.fromHandler(balanced)
        )
        const [first, ...others] = yield* Effect.forEach(stores, tagsOf)
        return {
          differs: others.some((tags) => JSON.stringify(tags) !== JSON.stringify(first)),
          isWrong: Either.isLeft(Linearizability.check(history))
        }
      })),
    (results) => ({
      differing: results.filter(({ differs }) => differs).length,
      notLinearizable: results.filter(({ isWrong }) => isWrong).length
    })
  )

describe("several processes that push through one union", () => {
  it.scoped(
    "leave its members equal if the pushes are ordered, and every answer is in the order of the first member",
    () =>
      Effect.gen(function*() {
        expect(yield* races("ordered")).toEqual({ differing: 0, notLinearizable: 0 })
      }),
    60_000
  )

  it.scoped("may leave its members different otherwise: the lock is of one process", () =>
    Effect.gen(function*() {
      expect((yield* races("all")).differing).toBeGreaterThan(0)
    }), 60_000)
})
