/** Runs our server over a registry in a directory. */
import { Durable } from "@effect-oci/durable"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Collector } from "@effect-oci/store"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { serve } from "../internal/program.js"

const runtimeIn = (directory: string) =>
  ManagedRuntime.make(
    NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Durable.layer({ directory })))
  )

let runtime: ReturnType<typeof runtimeIn> | undefined

const questions = {
  /** Opens a directory. Returns the `host:port` of the server. */
  listen: async (directory: string): Promise<string> => {
    runtime = runtimeIn(directory)
    return (await runtime.runPromise(NodeRegistryServer.Address)).authority
  },
  /** Runs the collector without grace. Returns its duration in seconds, and the longest stall of the event loop in ms. */
  collect: async () => {
    if (runtime === undefined) throw new Error("no directory is open")
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const start = performance.now()
    delay.enable()
    const { blobs, keys } = await runtime.runPromise(Collector.collect({ grace: 0 }))
    delay.disable()
    return { blobs, keys, seconds: (performance.now() - start) / 1000, stall: delay.max / 1e6 }
  }
}

export type Questions = typeof questions

serve(questions)
