import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as LazyModule from "../src/LazyModule.js"

/** Returns a lazy module that counts its loads, and functions that end the last load. */
const make = () => {
  const loads: Array<{ readonly succeed: () => void; readonly fail: (cause: unknown) => void }> = []
  const module = LazyModule.make(() =>
    new Promise<string>((resolve, reject) => {
      loads.push({ succeed: () => resolve("module"), fail: reject })
    })
  )
  return { loads, module }
}

describe("LazyModule.make", () => {
  it.effect("loads a module once for a hundred concurrent callers", () =>
    Effect.gen(function*() {
      const { loads, module } = make()
      const callers = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.fork(module))
      yield* Effect.yieldNow()
      loads[0]?.succeed()
      expect(yield* Fiber.join(Fiber.all(callers))).toEqual(Array.from({ length: 100 }, () => "module"))
      expect(loads).toHaveLength(1)
    }))

  it.effect("returns a loaded module without a promise", () =>
    Effect.gen(function*() {
      const { loads, module } = make()
      const caller = yield* Effect.fork(module)
      yield* Effect.yieldNow()
      loads[0]?.succeed()
      yield* Fiber.join(caller)
      // @effect-diagnostics-next-line runEffectInsideEffect:off
      expect(Effect.runSync(module)).toBe("module")
    }))

  it.effect("continues a load when its caller is interrupted", () =>
    Effect.gen(function*() {
      const { loads, module } = make()
      const first = yield* Effect.fork(module)
      const second = yield* Effect.fork(module)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      loads[0]?.succeed()
      expect(yield* Fiber.join(second)).toBe("module")
      expect(loads).toHaveLength(1)
    }))

  it.effect("fails if the module cannot be loaded, and tries again on the next run", () =>
    Effect.gen(function*() {
      const { loads, module } = make()
      const caller = yield* Effect.fork(Effect.flip(module))
      yield* Effect.yieldNow()
      const cause = new Error("Failed to fetch dynamically imported module")
      loads[0]?.fail(cause)
      expect(yield* Fiber.join(caller)).toMatchObject({ _tag: "OciTransportError", cause })
      const second = yield* Effect.fork(module)
      yield* Effect.yieldNow()
      loads[1]?.succeed()
      expect(yield* Fiber.join(second)).toBe("module")
    }))
})
