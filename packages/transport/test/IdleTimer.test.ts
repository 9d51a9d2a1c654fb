import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as IdleTimer from "../src/IdleTimer.js"

const block = (millis: number) => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

describe("an idle timer", () => {
  it.live("does not count the time during which the process is blocked", () =>
    Effect.gen(function*() {
      const timers = yield* IdleTimer.make(Duration.millis(100))
      const expired: Array<string> = []
      const answered = timers.start(() => expired.push("answered"))
      const paused = timers.start(() => expired.push("paused"))
      const silent = timers.start(() => expired.push("silent"))
      paused.pause()
      yield* Effect.sleep(10)
      block(400)
      yield* Effect.sleep(5)
      expect(expired).toEqual([])
      answered.stop()
      yield* Effect.sleep(200)
      expect(expired).toEqual(["silent"])
      for (const timer of [paused, silent]) timer.stop()
    }))
})
