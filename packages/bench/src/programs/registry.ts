/** Runs our server over a registry in memory. */
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../internal/program.js"

const runtime = ManagedRuntime.make(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provide(Memory.layer())))

const questions = {
  /** Returns the `host:port` of the server. */
  authority: async (): Promise<string> => (await runtime.runPromise(NodeRegistryServer.Address)).authority
}

export type Questions = typeof questions

serve(questions)
