/** Two registries over sockets, copies between them, and what a copy asks. */
import { Client } from "@effect-oci/client"
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, Manifest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Record } from "@effect-oci/recording"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { Transport } from "@effect-oci/transport"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { Context, Effect, Either, Layer } from "effect"

export const app = RepositoryName.make("team/app")
export const copyOf = RepositoryName.make("mirror/app")
export const v1 = Tag.make("v1")

type Service = Registry["Type"]

export const pushBlob = (registry: Service, content: string, mediaType = MediaType.layer, repository = app) => {
  const bytes = new TextEncoder().encode(content)
  const descriptor = Descriptor.fromBytes(bytes, mediaType)
  return Effect.as(registry.pushBlob(repository, descriptor, Body.bytes(bytes)), descriptor)
}

export const pushDocument = (
  registry: Service,
  mediaType: string,
  fields: object,
  tags: ReadonlyArray<Tag.Tag> = [],
  repository = app
) => {
  const manifest = Fixtures.document(mediaType, fields)
  const { descriptor } = Either.getOrThrow(Manifest.make(manifest))
  return Effect.as(registry.pushManifest(repository, { ...manifest, tags }), descriptor)
}

/** Pushes an image with layers of the given contents. */
export const pushImage = (
  registry: Service,
  layers: ReadonlyArray<string>,
  tags: ReadonlyArray<Tag.Tag> = [],
  repository = app
) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(
      registry,
      JSON.stringify({ os: "linux", architecture: "amd64", layers }),
      MediaType.imageConfig,
      repository
    )
    const pushed = yield* Effect.forEach(layers, (layer) => pushBlob(registry, layer, MediaType.layer, repository))
    return yield* pushDocument(registry, MediaType.image, { config, layers: pushed }, tags, repository)
  })

export const on = (descriptor: Descriptor.Descriptor, architecture: string) => ({
  ...descriptor,
  platform: { os: "linux", architecture }
})

export const pushIndex = (
  registry: Service,
  manifests: ReadonlyArray<Descriptor.Descriptor>,
  tags: ReadonlyArray<Tag.Tag> = []
) => pushDocument(registry, MediaType.index, { manifests }, tags)

export const pushReferrer = (registry: Service, subject: Descriptor.Descriptor, type: string) =>
  Effect.gen(function*() {
    const config = yield* pushBlob(registry, "{}", MediaType.empty)
    const layer = yield* pushBlob(registry, `${type} of ${subject.digest}`, "text/plain")
    return yield* pushDocument(registry, MediaType.image, { artifactType: type, config, layers: [layer], subject })
  })

export const inMemory = Effect.map(
  Layer.build(Memory.layer()),
  (context) => ({ registry: Context.get(context, Registry) })
)

/** Serves a registry in memory. */
export const served = (options: NodeRegistryServer.Options = { port: 0 }) =>
  Effect.map(
    Layer.build(NodeRegistryServer.layer(options).pipe(Layer.provideMerge(Memory.layer()))),
    (context) => ({
      registry: Context.get(context, Registry),
      host: Context.get(context, NodeRegistryServer.Address).authority
    })
  )

/** Records the requests of a program as they are sent, and leaves out what was refused for lack of a token. */
export const recordingRequests = (requests: Array<string>): Transport.Transport =>
  Transport.make((request, send) =>
    Effect.tap(send(request), ({ status }) =>
      Effect.sync(() => {
        if (status === 401) return
        const { origin, pathname, search } = new URL(request.url)
        const path = pathname.replace(/(\/blobs\/uploads\/).+$/, "$1{id}")
        const query = decodeURIComponent(search).replace(/([?&])(?:_|state|session)=[^&]*/g, "")
        requests.push(`${request.method} ${origin}${path}${query}`)
      }))
  )

/** A client whose operations are recorded. */
export const client = (host: string, operations: Array<string>) =>
  Effect.gen(function*() {
    const registry = yield* Client.make({ host, insecure: true })
    const record = yield* Record.middleware({ to: { write: (line) => Effect.sync(() => void operations.push(line)) } })
    return Registry.fromHandler(record(registry.handle))
  })

/** Returns the recorded operations without content and ids, sorted. */
export const operationsOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => {
    const { body: _body, bytes: _bytes, id: _id, ...operation } = JSON.parse(line).operation
    return JSON.stringify(operation)
  }).sort()

export const http = NodeHttp.layer()
