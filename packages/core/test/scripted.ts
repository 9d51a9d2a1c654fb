import type { RegistryError } from "../src/RegistryError.js"
import type * as Source from "../src/Source.js"

/**
 * A source that emits one chunk for each turn of the event loop, follows the contract, and records what happened to it.
 */
export const scripted = (chunks: Iterable<Uint8Array>, failure?: RegistryError) => {
  const seen = { opened: 0, open: 0, cancelled: 0, bytes: 0, resumedAfterEnd: 0 }
  const source: Source.Source = (sink) => {
    seen.opened++
    seen.open++
    const rest = chunks[Symbol.iterator]()
    let state: "flowing" | "paused" | "over" = "flowing"
    const step = () => {
      if (state !== "flowing") return
      const next = rest.next()
      if (next.done === true) {
        state = "over"
        seen.open--
        return failure === undefined ? sink.end() : sink.fail(failure)
      }
      seen.bytes += next.value.byteLength
      state = "paused"
      const isOpen = sink.data(next.value)
      if (isOpen && state === "paused") resume()
    }
    const resume = () => {
      if (state !== "paused") return
      state = "flowing"
      setImmediate(step)
    }
    setImmediate(step)
    return {
      resume: () => {
        if (state === "over") seen.resumedAfterEnd++
        resume()
      },
      cancel: () => {
        if (state === "over") return
        state = "over"
        seen.open--
        seen.cancelled++
      }
    }
  }
  return { source, seen }
}
