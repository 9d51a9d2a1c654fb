/** Reads a manifest again and again over one connection, and measures how long each answer takes. */
import { Agent, request } from "node:http"
import { setTimeout } from "node:timers/promises"
import type { Target } from "../internal/load.js"
import { percentile99 } from "../internal/measure.js"
import { serve } from "../internal/program.js"

/** The pause between an answer and the next request, in milliseconds. */
const pause = 2

/** Returns the duration of one request, in milliseconds. */
const timed = (agent: Agent, { accept, authority, body, path }: Target) =>
  new Promise<number>((resolve, reject) => {
    const start = performance.now()
    const sent = request(`http://${authority}${path}`, { agent, headers: { accept } }, (response) => {
      let size = 0
      response.on("data", (chunk: Uint8Array) => {
        size += chunk.byteLength
      })
      response.on("end", () => {
        if (response.statusCode === 200 && size === body.byteLength) resolve(performance.now() - start)
        else reject(new Error(`${path}: status ${response.statusCode}, ${size} bytes`))
      })
    })
    sent.on("error", reject)
    sent.end()
  })

const questions = {
  /** Returns the 99th percentile of the durations, in milliseconds. */
  percentile99: async ({ seconds, target }: { readonly target: Target; readonly seconds: number }): Promise<number> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const end = performance.now() + seconds * 1000
    const durations: Array<number> = []
    while (performance.now() < end) {
      durations.push(await timed(agent, target))
      await setTimeout(pause)
    }
    agent.destroy()
    return percentile99(durations)
  }
}

export type Questions = typeof questions

serve(questions)
