import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { during, image, make, push, read, repository, sum, tag, text } from "./cache.js"

const one = image(text("one"))

describe("Cache", () => {
  it.scoped("a hit does not reach the registry behind", () =>
    Effect.gen(function*() {
      const world = yield* make()
      yield* push(world, one)
      const pull = Effect.gen(function*() {
        const manifest = yield* world.cache.getManifest(repository, tag)
        expect(manifest.bytes).toEqual(one.bytes)
        expect(yield* read(world.cache, one.blob)).toBe(sum(one.content))
      })
      expect(yield* during(world.base, pull)).toEqual(["GetManifest", "GetBlob"])
      expect(yield* during(world.base, pull)).toEqual([])
    }))
})
