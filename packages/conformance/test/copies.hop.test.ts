/** A copy from one server to another over a connection that breaks. */
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { Source } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { Copy, Progress } from "@effect-oci/transfer"
import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import type { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Fixtures from "../src/Fixtures.js"
import { make as makeCutter } from "./cutter.js"

const app = RepositoryName.make("team/app")
const v1 = Tag.make("v1")

const size = 4_000_000
const layer = Uint8Array.from({ length: size }, (_, index) => index % 251)

const pushImage = (registry: Registry["Type"]) =>
  Effect.gen(function*() {
    const push = (bytes: Uint8Array, mediaType: string) => {
      const descriptor = Descriptor.fromBytes(bytes, mediaType)
      return Effect.as(registry.pushBlob(app, descriptor, Body.bytes(bytes)), descriptor)
    }
    const config = yield* push(Fixtures.bytesOf("{}"), MediaType.imageConfig)
    const manifest = Fixtures.document(MediaType.image, { config, layers: [yield* push(layer, MediaType.layer)] })
    yield* registry.pushManifest(app, { ...manifest, tags: [v1] })
  })

/** A temporary folder for one test. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "copies-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const served = <E>(layer: Layer.Layer<Registry, E>) =>
  Effect.map(Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(layer))), (context) => ({
    port: Context.get(context, NodeRegistryServer.Address).port,
    store: Context.get(context, Registry)
  }))

const client = (port: number, http: Layer.Layer<HttpClient.HttpClient, unknown> = NodeHttpClient.layerUndici) =>
  Effect.map(
    Layer.build(
      Layer.fresh(Client.layer({ host: `127.0.0.1:${port}`, insecure: true, retry: { retries: 0 } })).pipe(
        Layer.provide(Layer.orDie(http))
      )
    ),
    (context) => ({ registry: Context.get(context, Registry) })
  )

describe("a copy over a connection that breaks", () => {
  it.live("continues at the offset of the target and loses no byte", () =>
    Effect.scoped(Effect.gen(function*() {
      const here = yield* served(Memory.layer())
      yield* pushImage(here.store)
      for (const side of ["source", "target"] as const) {
        const there = yield* served(NodeOciLayout.layer(yield* folder, { create: true }))
        const cutter = yield* makeCutter(side === "source" ? here.port : there.port)
        const source = yield* client(side === "source" ? cutter.port : here.port)
        const target = yield* client(side === "target" ? cutter.port : there.port)
        // A client loads the code that writes when it first writes. The connection breaks after that.
        const { id } = yield* target.registry.startUpload(NodeOciLayout.repository)
        yield* target.registry.cancelUpload(NodeOciLayout.repository, id)
        const progress = yield* Progress.make
        const events = yield* progress.subscribe
        cutter.arm(2_000_000)
        const copied = yield* Copy.copy(
          { ...source, repository: app, reference: v1 },
          { ...target, repository: NodeOciLayout.repository },
          { concurrency: 1 }
        ).pipe(Effect.provideService(Progress.Progress, progress))
        expect(cutter.hasCut()).toBe(true)
        expect(copied.blobs).toEqual({ moved: 2, mounted: 0, existed: 0 })
        const received = yield* Stream.runCollect(Stream.takeUntil(events, ({ _tag }) => _tag === "Copied"))
        const ofLayer = [...received].flatMap((event) =>
          (event._tag === "Started" || event._tag === "Moved") && event.descriptor.size === size ? [event] : []
        )
        const starts = ofLayer.flatMap(({ _tag, transferred }) => _tag === "Started" ? [transferred] : [])
        expect(starts[0]).toBe(0)
        expect(starts.at(-1)).toBeGreaterThan(0)
        if (side === "source") {
          const second = ofLayer.findIndex(({ _tag }, index) => index > 0 && _tag === "Started")
          expect(starts.at(-1)).toBe(ofLayer[second - 1]?.transferred)
        }
        expect((yield* there.store.resolveManifest(NodeOciLayout.repository, v1)).digest).toBe(copied.descriptor.digest)
        const content = yield* there.store.getBlob(NodeOciLayout.repository, Descriptor.fromBytes(layer).digest)
        yield* Stream.runDrain(Body.verify(content.body, content.descriptor).stream)
      }
    })))

  const reason = "the source broke off"
  const failing = Stream.concat(
    Stream.make(layer.subarray(0, 10_000)),
    Stream.fail(new RegistryError.BodyFailed({ reason }))
  )
  const failingSource: Source.Source = (sink) => {
    setImmediate(() => {
      sink.data(layer.subarray(0, 10_000))
      sink.fail(new RegistryError.BodyFailed({ reason }))
    })
    return { resume: () => {}, cancel: () => {} }
  }

  it.live.each([
    { name: "undici, a stream", http: NodeHttpClient.layerUndici, body: Body.stream(failing, { size }) },
    { name: "undici, a source", http: NodeHttpClient.layerUndici, body: Body.fromSource(failingSource, { size }) },
    { name: "NodeHttp, a source", http: NodeHttp.layer(), body: Body.fromSource(failingSource, { size }) }
  ])(
    "sends all that the body contains before it fails, with $name",
    ({ body, http }) =>
      Effect.scoped(Effect.gen(function*() {
        const there = yield* served(NodeOciLayout.layer(yield* folder, { create: true }))
        const { registry } = yield* client(there.port, http)
        const { repository } = NodeOciLayout
        const { id } = yield* registry.startUpload(repository)
        const error = yield* Effect.flip(
          registry.completeUpload(repository, id, Descriptor.fromBytes(layer).digest, { offset: 0, body })
        )
        expect(error).toMatchObject({ _tag: "OciBodyFailed", reason })
        const offset = Effect.map(registry.getUpload(repository, id), ({ offset }) => offset)
        yield* Effect.repeat(Effect.delay(offset, "20 millis"), { until: (offset) => offset > 0, times: 200 })
        expect(yield* offset).toBe(10_000)
      }))
  )
})
