/** Runs our client, which pushes blobs from files and pulls blobs into files. */
import { Client } from "@effect-oci/client"
import { Descriptor, Digest, Registry, RepositoryName } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { fromFile, intoFile } from "../internal/file.js"
import { serve } from "../internal/program.js"

export interface Transfer {
  /** The `host:port` of the registry. */
  readonly authority: string
  readonly repository: string
  readonly digest: string
  /** The file to push, or the file to pull into. */
  readonly file: string
}

const runtime = ManagedRuntime.make(NodeHttp.layer())

const push = ({ digest, file, repository }: Transfer) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const body = fromFile(file)
    const descriptor = { mediaType: Descriptor.octetStream, digest: Digest.make(digest), size: body.size ?? 0 }
    yield* registry.pushBlob(RepositoryName.make(repository), descriptor, body)
  })

const pull = ({ digest, file, repository }: Transfer) =>
  Effect.scoped(Effect.gen(function*() {
    const registry = yield* Registry
    const { body } = yield* registry.getBlob(RepositoryName.make(repository), Digest.make(digest))
    yield* intoFile(body, file)
  }))

/** Measures the duration of a transfer, in seconds. */
const timed =
  (run: (transfer: Transfer) => Effect.Effect<void, RegistryError.RegistryError, Registry>) =>
  async (transfer: Transfer): Promise<number> => {
    const client = Layer.fresh(Client.layer({ host: transfer.authority, insecure: true }))
    const start = performance.now()
    await runtime.runPromise(Effect.provide(run(transfer), client))
    return (performance.now() - start) / 1000
  }

const questions = { push: timed(push), pull: timed(pull) }

export type Questions = typeof questions

serve(questions)
