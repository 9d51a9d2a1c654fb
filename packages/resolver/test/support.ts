import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { Transport } from "@effect-oci/transport"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import { Context, Effect, Either, Layer, Option } from "effect"
import { createServer } from "node:http"
import type { RequestListener } from "node:http"
import type { AddressInfo } from "node:net"

export const app = RepositoryName.make("team/app")
export const v1 = Tag.make("v1")

/** Serves a registry in memory. Returns the registry and its address. */
export const served = Effect.gen(function*() {
  const context = yield* Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer())))
  return {
    registry: Context.get(context, Registry),
    host: Context.get(context, NodeRegistryServer.Address).authority
  }
})

/** Runs a server that answers every request in the same way, and records the requests. */
export const answering = (answer: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly host: string; readonly requests: Array<string>; readonly close: () => void }>((resume) => {
      const requests: Array<string> = []
      const server = createServer((request, response) => {
        requests.push(`${request.method} ${request.url}`)
        answer(request, response)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ host: `127.0.0.1:${port}`, requests, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** An address where no server answers. */
export const nobody = Effect.map(Effect.scoped(served), ({ host }) => host)

/** Puts an image of one small config into a repository, under a tag. */
export const pushImage = (
  registry: Registry["Type"],
  text: string,
  options?: { readonly repository?: RepositoryName.RepositoryName; readonly tag?: Tag.Tag }
) =>
  Effect.gen(function*() {
    const { repository = app, tag = v1 } = options ?? {}
    const config = Fixtures.bytesOf(JSON.stringify({ text }))
    const blob = Descriptor.fromBytes(config, MediaType.imageConfig)
    yield* registry.pushBlob(repository, blob, Body.bytes(config))
    const image = Fixtures.document(MediaType.image, { config: blob, layers: [] })
    const { digest } = yield* registry.pushManifest(repository, { ...image, tags: [tag] })
    return { digest, blob }
  })

/** Formats requests as `METHOD host/path?query`, in order. */
export const recorded = Effect.map(Layer.build(NodeHttpClient.layerUndici), (context) => {
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  const client = Transport.make((request, send) => {
    requests.push(request)
    return send(request)
  })(Context.get(context, HttpClient.HttpClient))
  const lines = () =>
    requests.splice(0).map(({ method, url, urlParams }) => {
      const { host, pathname, search } = Either.getOrThrow(UrlParams.makeUrl(url, urlParams, Option.none()))
      return `${method} ${host}${pathname}${search}`
    })
  return { lines, requests, layer: Layer.succeed(HttpClient.HttpClient, client) }
})
