import { Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Copy } from "@effect-oci/transfer"
import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
import { HttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Stream } from "effect"
import { Enforce, Explain, Explanation } from "../src/index.js"
import * as copies from "./copies.js"
import { app, copyOf, on, pushImage, pushIndex, pushReferrer, v1 } from "./copies.js"

type Service = Registry["Type"]

interface Graph {
  readonly name: string
  readonly setUp: (source: Service, target: Service) => Effect.Effect<unknown, unknown>
  readonly options?: Copy.Options
  readonly target?: Partial<Copy.Target>
  /** Copies within the registry of the source. */
  readonly within?: boolean
}

const tags = (...names: ReadonlyArray<string>) => names.map((name) => Tag.make(name))

const graphs: ReadonlyArray<Graph> = [
  { name: "a single image", setUp: (source) => pushImage(source, ["one", "two"], [v1]) },
  {
    name: "one platform of an index",
    setUp: (source) =>
      Effect.gen(function*() {
        const amd = yield* pushImage(source, ["base", "amd"])
        const arm = yield* pushImage(source, ["base", "arm"])
        yield* pushIndex(source, [on(amd, "amd64"), on(arm, "arm64")], [v1])
      }),
    options: { platform: { os: "linux", architecture: "arm64" } }
  },
  {
    name: "a single image whose platform is in its config",
    setUp: (source) => pushImage(source, ["one"], [v1]),
    options: { platform: { os: "linux", architecture: "amd64" } }
  },
  {
    name: "an index with its images, signatures and SBOMs",
    setUp: (source) =>
      Effect.gen(function*() {
        const amd = yield* pushImage(source, ["base", "amd"])
        const arm = yield* pushImage(source, ["base", "arm"])
        const index = yield* pushIndex(source, [on(amd, "amd64"), on(arm, "arm64")], [v1])
        yield* pushReferrer(source, yield* pushReferrer(source, index, "an/sbom"), "a/signature")
        yield* pushReferrer(source, arm, "a/signature")
      })
  },
  {
    name: "an artifact",
    setUp: (source) =>
      Effect.gen(function*() {
        const image = yield* pushImage(source, ["one"], [v1])
        yield* pushReferrer(source, image, "an/sbom")
      }),
    options: { withoutReferrers: false }
  },
  {
    name: "an index of indexes",
    setUp: (source) =>
      Effect.gen(function*() {
        const inner = yield* pushIndex(source, [yield* pushImage(source, ["one"]), yield* pushImage(source, ["two"])])
        yield* pushIndex(source, [inner, yield* pushImage(source, ["three"])], [v1])
      })
  },
  {
    name: "an image that the target has",
    setUp: (source, target) =>
      Effect.zipRight(pushImage(source, ["one", "two"], [v1]), pushImage(target, ["one", "two"], [v1], copyOf))
  },
  {
    name: "an image that the target has in part",
    setUp: (source, target) =>
      Effect.zipRight(pushImage(source, ["one", "two"], [v1]), pushImage(target, ["one"], [v1], copyOf))
  },
  { name: "an image within one registry", setUp: (source) => pushImage(source, ["one", "two"], [v1]), within: true },
  {
    name: "an image to several tags",
    setUp: (source) => pushImage(source, ["one"], [v1]),
    target: { tags: tags("v1", "v1.2", "latest") }
  }
]

const lines = ({ requests }: Explanation.Explanation): ReadonlyArray<string> =>
  requests.filter(({ kind }) => kind !== "operation").flatMap(({ count, method, path, registry }) =>
    Array.from({ length: count }, () => `${method} ${registry}${path}`)
  ).sort()

describe("a copy asks what was explained", () => {
  for (const { name, options, setUp, target: more, within = false } of graphs) {
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        const source = yield* copies.served()
        const target = yield* copies.served()
        yield* setUp(source.registry, target.registry)
        const copy = (operations: Array<string>) =>
          Effect.gen(function*() {
            const from = yield* copies.client(source.host, operations)
            const to = within ? from : yield* copies.client(target.host, operations)
            return yield* Copy.copy(
              { registry: from, host: source.host, repository: app, reference: v1 },
              { registry: to, host: within ? source.host : target.host, repository: copyOf, ...more },
              options
            )
          }).pipe(Effect.scoped)

        const explained: Array<string> = []
        const { exit, explanation } = yield* Explain.run(copy(explained))
        expect(explanation.failure).toBeUndefined()
        const sent = explanation.requests.filter(({ sent }) => sent)
        expect(sent.every(({ method }) => method === "GET" || method === "HEAD")).toBe(true)
        const repositories = yield* Stream.runCollect(target.registry.listRepositories())

        const operations: Array<string> = []
        const requests: Array<string> = []
        const summary = yield* copy(operations).pipe(
          Effect.updateService(HttpClient.HttpClient, copies.recordingRequests(requests)),
          Effect.updateService(HttpClient.HttpClient, Enforce.transport({ explanation, by: "requests" }))
        )
        expect(Exit.isSuccess(exit) && exit.value).toEqual(summary)
        expect(lines(explanation)).toEqual(requests.sort())
        expect(copies.operationsOf(explained)).toEqual(copies.operationsOf(operations))
        expect(Array.from(repositories)).not.toContain(name.includes("the target has") ? "" : copyOf)
      }).pipe(Effect.provide(copies.http)))
  }
})

describe("layouts", () => {
  const temporary = Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
  const opened = <E>(layer: Layer.Layer<Registry, E>) => Effect.map(Layer.build(layer), Context.get(Registry))

  it.scopedLive("a copy from a layout, and into one, asks what was explained, and writes no file", () =>
    Effect.gen(function*() {
      const { host, registry } = yield* copies.served()
      yield* pushImage(registry, ["one", "two"], [v1])
      const folder = yield* temporary
      const layout = NodeOciLayout.layer(folder, { create: true })
      const files = yield* FileSystem.FileSystem
      const into = (local: Service) =>
        Effect.gen(function*() {
          const source = yield* copies.client(host, [])
          yield* Copy.copy(
            { registry: source, repository: app, reference: v1 },
            { registry: local, repository: NodeOciLayout.repository }
          )
        }).pipe(Effect.scoped)
      const from = (local: Service) =>
        Effect.gen(function*() {
          const target = yield* copies.client(host, [])
          yield* Copy.copy(
            { registry: local, repository: NodeOciLayout.repository, reference: v1 },
            { registry: target, repository: copyOf }
          )
        }).pipe(Effect.scoped)
      const local = yield* opened(layout)
      for (const copy of [into, from]) {
        const before = (yield* files.readDirectory(folder, { recursive: true })).length
        const program = Effect.flatMap(opened(layout.pipe(Explain.wrap({ name: "oci" }))), copy)
        const { explanation } = yield* Effect.scoped(Explain.run(program))
        expect(explanation.failure).toBeUndefined()
        expect((yield* files.readDirectory(folder, { recursive: true })).length).toBe(before)

        const requests: Array<string> = []
        const held = Enforce.middleware({ explanation, name: "oci", by: "requests" })(local.handle)
        yield* Effect.updateService(
          copy(Registry.fromHandler(held)),
          HttpClient.HttpClient,
          copies.recordingRequests(requests)
        )
        expect(lines(explanation)).toEqual(requests.sort())
      }
    }).pipe(Effect.provide([NodeContext.layer, copies.http])))
})

describe("offline", () => {
  const program = (write: (registry: Service) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      const registry = yield* copies.client("registry.test", [])
      yield* write(registry)
      return Array.from(yield* Stream.runCollect(registry.listTags(app)))
    }).pipe(Effect.scoped)

  const offline = (registry: Service) => Explain.httpClient({ "registry.test": registry })

  it.scoped("a program finds what it wrote, and the registry does not have it", () =>
    Effect.gen(function*() {
      const { registry } = yield* copies.inMemory
      yield* pushImage(registry, ["one"], [v1, Tag.make("old")])
      const { exit, explanation } = yield* Explain.run(program((client) =>
        Effect.gen(function*() {
          yield* pushImage(client, ["two"], [Tag.make("v2")])
          yield* client.deleteTag(app, Tag.make("old"))
          expect((yield* client.getManifest(app, Tag.make("v2"))).descriptor.digest).toMatch(/^sha256:/)
          expect((yield* Effect.flip(client.resolveManifest(app, Tag.make("old"))))._tag).toBe("OciManifestUnknown")
        })
      )).pipe(Effect.provideService(HttpClient.HttpClient, offline(registry)))
      expect(exit).toEqual(Exit.succeed(["v1", "v2"]))
      expect(Explanation.scope(explanation).toString()).toBe("repository:team/app:delete,pull,push")
      expect(Array.from(yield* Stream.runCollect(registry.listTags(app)))).toEqual(["old", "v1"])
    }))

  it.scoped("a failed program has an explanation up to its failure", () =>
    Effect.gen(function*() {
      const { registry } = yield* copies.inMemory
      const { exit, explanation } = yield* Explain.run(
        program((client) => client.getManifest(RepositoryName.make("gone"), v1))
      ).pipe(Effect.provideService(HttpClient.HttpClient, offline(registry)))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(explanation.failure).toContain("gone")
      expect(lines(explanation)).toEqual(["GET http://registry.test/v2/gone/manifests/v1"])
    }))

  it.effect("a request to another host fails", () =>
    Effect.gen(function*() {
      const registry = yield* Effect.provideService(
        Effect.scoped(copies.client("elsewhere.test", [])),
        HttpClient.HttpClient,
        Explain.httpClient({})
      )
      const error = yield* Effect.flip(registry.resolveManifest(app, v1))
      expect(error.message).toContain("cannot reach elsewhere.test: only no host can be reached here")
    }))

  it.effect("operations on a registry without HTTP are explained with their scopes", () =>
    Effect.gen(function*() {
      const { registry } = yield* Effect.scoped(copies.inMemory)
      const { explanation } = yield* Explain.run(Effect.gen(function*() {
        const wrapped = Registry.fromHandler((yield* Explain.middleware({ name: "store" }))(registry.handle))
        yield* pushImage(wrapped, ["one"], [v1])
        yield* wrapped.deleteTag(app, v1)
      })).pipe(Effect.provideService(HttpClient.HttpClient, Explain.httpClient({})))
      const { method, path, sent } = explanation.requests.at(-1)!
      expect({ method, path, sent }).toEqual({ method: "DeleteTag", path: "team/app:v1", sent: false })
      expect(Explanation.scope(explanation, "store").toString()).toBe("repository:team/app:delete,pull,push")
      expect((yield* Effect.flip(registry.resolveManifest(app, v1)))._tag).toBe("OciNameUnknown")
    }))
})
