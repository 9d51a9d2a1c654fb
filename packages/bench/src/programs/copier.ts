/** Copies an image from one registry to another. */
import { Client } from "@effect-oci/client"
import { Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Copy } from "@effect-oci/transfer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../internal/program.js"

export interface Job {
  /** The `host:port` of the source registry. */
  readonly source: string
  readonly target: string
  readonly repository: string
  readonly tag: string
  readonly concurrency: number
}

const runtime = ManagedRuntime.make(NodeHttp.layer())

const registryAt = (host: string) =>
  Effect.map(Layer.build(Layer.fresh(Client.layer({ host, insecure: true }))), Context.get(Registry))

const copy = ({ concurrency, repository: name, source, tag, target }: Job) =>
  Effect.scoped(Effect.gen(function*() {
    const repository = RepositoryName.make(name)
    return yield* Copy.copy(
      { registry: yield* registryAt(source), host: source, repository, reference: Tag.make(tag) },
      { registry: yield* registryAt(target), host: target, repository },
      { concurrency }
    )
  }))

const questions = {
  /** Measures the duration of a copy, in seconds. */
  copy: async (job: Job): Promise<number> => {
    const start = performance.now()
    await runtime.runPromise(copy(job))
    return (performance.now() - start) / 1000
  }
}

export type Questions = typeof questions

serve(questions)
