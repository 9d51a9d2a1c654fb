/** Copies images from one registry to another. */
import { Client } from "@effect-oci/client"
import { Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Copy } from "@effect-oci/transfer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import { serve } from "../internal/program.js"

export interface Job {
  /** The `host:port` of the source registry. */
  readonly source: string
  readonly target: string
  readonly repository: string
  readonly tag: string
  readonly concurrency: number
}

/** Images to copy, one in each repository. */
export interface Jobs extends Omit<Job, "repository"> {
  readonly repositories: ReadonlyArray<string>
}

const runtime = ManagedRuntime.make(NodeHttp.layer())

const registryAt = (host: string) =>
  Effect.map(Layer.build(Layer.fresh(Client.layer({ host, insecure: true }))), Context.get(Registry))

type Ends = { readonly source: Registry["Type"]; readonly target: Registry["Type"] }

const copyWith = ({ source: from, target: to }: Ends, { concurrency, repository: name, source, tag, target }: Job) => {
  const repository = RepositoryName.make(name)
  return Copy.copy(
    { registry: from, host: source, repository, reference: Tag.make(tag) },
    { registry: to, host: target, repository },
    { concurrency, withoutReferrers: true }
  )
}

const ends = ({ source, target }: Pick<Job, "source" | "target">) =>
  Effect.all({ source: registryAt(source), target: registryAt(target) })

/** Measures the duration of an effect, in seconds. */
const timed = async <E>(effect: Effect.Effect<unknown, E, HttpClient.HttpClient | Scope.Scope>): Promise<number> => {
  const start = performance.now()
  await runtime.runPromise(Effect.scoped(effect))
  return (performance.now() - start) / 1000
}

const questions = {
  /** Copies an image. */
  copy: (job: Job): Promise<number> => timed(Effect.flatMap(ends(job), (ends) => copyWith(ends, job))),
  /** Copies images, several at the same time. */
  copyAll: ({ repositories, ...job }: Jobs): Promise<number> =>
    timed(
      Effect.flatMap(ends(job), (ends) =>
        Effect.forEach(repositories, (repository) =>
          copyWith(ends, { ...job, repository }), {
          concurrency: job.concurrency,
          discard: true
        }))
    )
}

export type Questions = typeof questions

serve(questions)
