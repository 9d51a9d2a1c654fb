import type * as Body from "@effect-oci/core/Body"

/** Creates a source that emits one chunk for each microtask, stops on request, and can be opened again. */
export const chunkSource = (chunks: ReadonlyArray<Uint8Array>): Body.Source => (sink) => {
  let next = 0
  let state: "flowing" | "paused" | "over" = "flowing"
  const step = () => {
    if (state !== "flowing") return
    const chunk = chunks[next++]
    if (chunk === undefined) {
      state = "over"
      return sink.end()
    }
    const more = sink.data(chunk)
    if (state !== "flowing") return
    if (more) queueMicrotask(step)
    else state = "paused"
  }
  queueMicrotask(step)
  return {
    resume: () => {
      if (state !== "paused") return
      state = "flowing"
      queueMicrotask(step)
    },
    cancel: () => {
      state = "over"
    }
  }
}
