/** Copies while a registry is away, or while it requires credentials during an upload. */
import { Answer, Body, Handler, RegistryError } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import { Copy } from "../src/index.js"
import { app, copyOf, pushImage, pushReferrer, recorded, v1 } from "./support.js"

type End = { readonly registry: Registry["Type"] }

const from = ({ registry }: End) => ({ registry, repository: app, reference: v1 })
const to = ({ registry }: End) => ({ registry, repository: copyOf })

const refused = () => new RegistryError.TransportError({ reason: "connection refused" })

const imageOf = Effect.tap(
  recorded(),
  ({ registry }) =>
    Effect.flatMap(pushImage(registry, ["one", "two"], {}, [v1]), (image) => pushReferrer(registry, image, "a/sbom"))
)

/** Wraps a registry so that connections are refused for some time, from the n-th operation. */
const away = (inner: Registry["Type"], from: number, time: Duration.DurationInput) =>
  Effect.gen(function*() {
    let count = 0
    let until = Infinity
    const source = yield* recorded({
      wrap: () => (operation) =>
        Effect.flatMap(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
          if (count++ === from) until = now + Duration.toMillis(time)
          return count > from && now < until ? Effect.fail(refused()) : inner.handle(operation)
        })
    })
    return source
  })

/** Runs an effect while the test clock advances as fast as possible. */
const hurried = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while (fiber.unsafePoll() === null) {
      yield* TestClock.adjust("100 millis")
      yield* Effect.yieldNow()
    }
    return yield* Fiber.join(fiber)
  })

describe("a registry that is away for two seconds", () => {
  it.scoped("is waited for, at any operation of the copy", () =>
    Effect.gen(function*() {
      const source = yield* imageOf
      const counted = yield* recorded()
      yield* Copy.copy(from(source), to(counted))
      const writes = counted.received.length
      expect(writes).toBeGreaterThan(10)
      for (let at = 1; at < writes; at++) {
        const inner = yield* recorded()
        const target = yield* away(inner.registry, at, "2 seconds")
        yield* hurried(Copy.copy(from(source), to(target)))
        expect((yield* inner.registry.resolveManifest(copyOf, v1)).size).toBeGreaterThan(0)
      }
      for (let at = 1; at < 6; at++) {
        const target = yield* recorded()
        yield* hurried(Copy.copy(from(yield* away(source.registry, at, "2 seconds")), to(target)))
        expect((yield* target.registry.resolveManifest(copyOf, v1)).size).toBeGreaterThan(0)
        expect(target.counts()["PushManifest"]).toBe(2)
      }
    }), 60_000)

  it.scoped("makes the copy fail after retryTime", () =>
    Effect.gen(function*() {
      const source = yield* imageOf
      const target = yield* away((yield* recorded()).registry, 3, "10 minutes")
      const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const error = yield* hurried(Effect.flip(Copy.copy(from(source), to(target), { retryTime: "5 seconds" })))
      const ended = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      expect(error._tag).toBe("OciTransportError")
      expect(ended - started).toBeGreaterThan(3000)
      expect(ended - started).toBeLessThan(30_000)
    }))

  it.scoped("is not waited for if it has never answered: its address may be wrong", () =>
    Effect.gen(function*() {
      const source = yield* imageOf
      const target = yield* away((yield* recorded()).registry, 0, "10 minutes")
      const error = yield* Effect.flip(Copy.copy(from(source), to(target)))
      expect(error._tag).toBe("OciTransportError")
    }))
})

describe("an upload whose body is refused because credentials are missing", () => {
  it.live("is sent again from the source, as often as retries allow", () =>
    Effect.scoped(Effect.gen(function*() {
      const source = yield* imageOf
      const refusing = (times: number) =>
        Effect.gen(function*() {
          const inner = yield* recorded()
          let left = times
          return yield* recorded({
            wrap: () =>
              Handler.override(inner.registry.handle, {
                CompleteUpload: (operation) =>
                  left-- > 0
                    ? Effect.zipRight(
                      operation.body === undefined ? Effect.void : Body.forEachChunk(operation.body, () => {}),
                      Answer.fail(new RegistryError.Unauthorized({ status: 401 }))
                    )
                    : inner.registry.handle(operation)
              })
          })
        })
      const copied = yield* Copy.copy(from(source), to(yield* refusing(1)))
      expect(copied.blobs.moved).toBeGreaterThan(2)
      const error = yield* Effect.flip(Copy.copy(from(source), to(yield* refusing(1000)), { retries: 1 }))
      expect(error._tag).toBe("OciUnauthorized")
    })))
})
