/** Runs our client, which pushes blobs from files, pulls blobs into files, and attaches artifacts to images. */
import { Client } from "@effect-oci/client"
import { BlobPush, Body, Descriptor, Digest, MediaType, Registry, RepositoryName } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { readFileSync } from "node:fs"
import { fromFile, intoFile } from "../internal/file.js"
import { serve } from "../internal/program.js"

export interface Transfer {
  /** The `host:port` of the registry. */
  readonly authority: string
  readonly repository: string
  readonly digest: string
  /** The file to push, or the file to pull into. */
  readonly file: string
  /** The digest of the image that the artifact is attached to. */
  readonly image?: string
}

/** The type of artifacts that are attached. */
const artifactType = "application/vnd.example.artifact"

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

const empty = new TextEncoder().encode("{}")

/** Attaches a file, which is read into memory first, to an image. */
const attach = ({ file, image = "", repository: name }: Transfer) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const repository = RepositoryName.make(name)
    const ensure = (bytes: Uint8Array, mediaType: Descriptor.Descriptor["mediaType"]) => {
      const body = Body.hashed(bytes)
      const blob = Descriptor.fromBody(body, mediaType)
      const upload = () => registry.pushBlob(repository, blob, body)
      return Effect.as(BlobPush.ensure(registry, repository, blob.digest, { upload }), blob)
    }
    const subject = yield* registry.resolveManifest(repository, Digest.make(image))
    const artifact = yield* ensure(readFileSync(file), artifactType)
    const config = yield* ensure(empty, MediaType.empty)
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.image,
      artifactType,
      config,
      layers: [artifact],
      subject,
      annotations: { "org.opencontainers.image.created": new Date().toISOString() }
    }
    yield* registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: new TextEncoder().encode(JSON.stringify(manifest)),
      tags: []
    })
  })

/** Measures the duration of a transfer, in seconds. */
const timed =
  (run: (transfer: Transfer) => Effect.Effect<void, RegistryError.RegistryError, Registry>) =>
  async (transfer: Transfer): Promise<number> => {
    const client = Layer.fresh(Client.layer({ host: transfer.authority, insecure: true }))
    const start = performance.now()
    await runtime.runPromise(Effect.provide(run(transfer), client))
    return (performance.now() - start) / 1000
  }

const questions = { push: timed(push), pull: timed(pull), attach: timed(attach) }

export type Questions = typeof questions

serve(questions)
