import { Digest, Handler, MediaType, RegistryError } from "@effect-oci/core"
import type { Descriptor, Manifest } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"
import { Graph } from "../src/index.js"
import { app, pushDocument, pushImage, pushIndex, pushReferrer, recorded, v1 } from "./support.js"

const digestOf = (index: number) => Digest.make(`sha256:${index.toString(16).padStart(64, "0")}`)

const nodeOf = (index: number, children: ReadonlyArray<number>): Graph.Node => {
  const descriptor = (each: number) => ({ mediaType: MediaType.index, digest: digestOf(each), size: 1 })
  return {
    descriptor: descriptor(index),
    manifest: undefined,
    children: children.map(descriptor),
    blobs: [],
    subject: undefined,
    existed: false
  }
}

const graphOf = (children: ReadonlyArray<ReadonlyArray<number>>, root: number): Graph.Graph => ({
  root: digestOf(root),
  nodes: new Map(children.map((below, index) => [digestOf(index), nodeOf(index, below)])),
  digestTags: new Map()
})

const positionsOf = (graph: Graph.Graph) => {
  const steps = Graph.steps(graph)
  expect(steps.flat().length).toBe(graph.nodes.size)
  return new Map(steps.flatMap((step, at) => step.map(({ descriptor }) => [descriptor.digest, at] as const)))
}

describe("the steps of a graph", () => {
  it("contain children before their manifest, and the root last and alone, unless a manifest points at it", () => {
    const dag = fc.integer({ min: 1, max: 30 }).chain((size) =>
      fc.record({
        root: fc.nat(size - 1),
        children: fc.tuple(...Array.from({ length: size }, (_, index) =>
          fc.array(fc.nat(Math.max(0, index - 1)), { maxLength: index === 0 ? 0 : 4 })))
      })
    )
    fc.assert(fc.property(dag, ({ children, root }) => {
      const graph = graphOf(children, root)
      const positions = positionsOf(graph)
      for (const { children, descriptor } of graph.nodes.values()) {
        for (const child of children) {
          expect(positions.get(child.digest)).toBeLessThan(positions.get(descriptor.digest)!)
        }
      }
      if (children.every((below) => !below.includes(root))) {
        expect(Graph.steps(graph).at(-1)?.map(({ descriptor }) => descriptor.digest)).toEqual([digestOf(root)])
      }
    }))
  })

  it("end if the graph has a cycle, and do not overflow the stack if the graph is deep", () => {
    positionsOf(graphOf([[1], [2], [0]], 0))
    const most = 10_000
    const chain = Array.from({ length: most }, (_, index) => index + 1 < most ? [index + 1] : [])
    const deep = positionsOf(graphOf([chain.map((_, index) => index).slice(1), ...chain.slice(1)], 0))
    expect(deep.get(digestOf(0))).toBe(most - 1)
  })
})

describe("a graph", () => {
  const reading = (
    source: Effect.Effect.Success<ReturnType<typeof recorded>>,
    options: Graph.Options = {},
    exists: (descriptor: Descriptor.Descriptor) => boolean = () => false
  ) =>
    Effect.flatMap(
      source.registry.getManifest(app, v1),
      (root) =>
        Graph.read({ registry: source.registry, repository: app }, root, options, (descriptor) =>
          Effect.succeed(exists(descriptor)))
    )

  it.scoped("contains each manifest once, with referrers, and reads none that the target has", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const [one, other] = [yield* pushImage(source.registry, ["one"]), yield* pushImage(source.registry, ["other"])]
      const inner = yield* pushIndex(source.registry, [one, other])
      const root = yield* pushIndex(source.registry, [one, inner], {}, [v1])
      const signature = yield* pushReferrer(source.registry, one, "a/signature")
      source.counts()
      const graph = yield* reading(source)
      expect([...graph.nodes.keys()].sort()).toEqual(
        [root, inner, one, other, signature].map(({ digest }) => digest).sort()
      )
      expect(graph.nodes.get(signature.digest)?.subject?.digest).toBe(one.digest)
      expect(source.counts()).toEqual({ GetManifest: 5, ListReferrers: 5, ListTags: 1 })

      const known = yield* reading(source, {}, ({ digest }) => digest === inner.digest)
      expect(known.nodes.get(other.digest)).toMatchObject({ existed: true, manifest: undefined })
      expect(source.counts()).toEqual({ GetManifest: 4, ListReferrers: 5, ListTags: 1 })
      yield* reading(source, { withoutReferrers: true }, () => true)
      expect(source.counts()).toEqual({ GetManifest: 1 })
    }))

  it.scoped("leaves out content that the filter refuses", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const image = yield* pushImage(source.registry, ["one"])
      yield* pushIndex(source.registry, [image, yield* pushImage(source.registry, ["other"])], {}, [v1])
      yield* pushReferrer(source.registry, image, "a/signature")
      const sbom = yield* pushReferrer(source.registry, image, "an/sbom")
      const graph = yield* reading(source, {
        referrers: ({ artifactType }) => artifactType === "an/sbom",
        filter: ({ descriptor, kind }) => kind === "manifest" ? descriptor.digest === image.digest : kind === "config"
      })
      expect([...graph.nodes.keys()].slice(1).sort()).toEqual([image, sbom].map(({ digest }) => digest).sort())
      expect(graph.nodes.get(image.digest)?.blobs.map(({ mediaType }) => mediaType)).toEqual([MediaType.imageConfig])
    }))

  it.scoped("reads no more referrers than maxManifests, however long the list is", () =>
    Effect.gen(function*() {
      let listed = 0
      const endless = Stream.map(
        Stream.iterate(1, (index) => index + 1),
        (index) => {
          listed++
          return { mediaType: MediaType.image, digest: digestOf(index), size: 1 }
        }
      )
      const source = yield* recorded({
        wrap: (next) => Handler.override(next, { ListReferrers: () => Effect.succeed(endless) })
      })
      yield* pushImage(source.registry, ["one"], {}, [v1])
      const error = yield* Effect.flip(reading(source, { maxManifests: 10 }))
      expect(error.message).toContain("more than 10 manifests")
      expect(listed).toBeLessThan(100)
    }))

  it.scoped("ends if manifests point at each other", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const other = yield* pushDocument(source.registry, "application/vnd.example.circle+json", { other: 2 })
      const root = yield* pushDocument(source.registry, "application/vnd.example.circle+json", { other: 1 }, [v1])
      const children = ({ descriptor }: Manifest.Manifest) =>
        Effect.succeed([{ kind: "manifest" as const, descriptor: descriptor.digest === root.digest ? other : root }])
      const graph = yield* reading(source, { children, withoutReferrers: true })
      expect(graph.nodes.size).toBe(2)
      expect(Graph.steps(graph).flat().length).toBe(2)
    }))

  it.scoped("fails if a manifest of an unknown type seems to list content that would be left out", () =>
    Effect.gen(function*() {
      const source = yield* recorded()
      const mediaType = "application/vnd.example.bundle+json"
      const { digest } = yield* pushDocument(source.registry, mediaType, { mediaType, blobs: [], layers: [{}] }, [v1])
      const error = yield* Effect.flip(reading(source))
      expect(error._tag).toBe("OciManifestInvalid")
      expect(error.message).toBe(
        `${app}@${digest}: the media type ${mediaType} is unknown, and the manifest may point at content in "blobs", ` +
          "\"layers\"; set `children` to return this content"
      )
      const children = () => Effect.succeed([])
      expect((yield* reading(source, { children })).nodes.size).toBe(1)
    }))

  it.scoped.each(["application/json", "text/plain", "application/octet-stream"])(
    "fails if the source serves an image as %s: its layers would be left out",
    (mediaType) =>
      Effect.gen(function*() {
        const source = yield* recorded({
          wrap: (next) =>
            Handler.override(next, {
              GetManifest: (operation) =>
                Effect.map(next(operation), (manifest) => ({
                  ...manifest,
                  descriptor: { ...manifest.descriptor, mediaType }
                }))
            })
        })
        yield* pushImage(source.registry, ["one"], {}, [v1])
        const error = yield* Effect.flip(reading(source))
        expect(error._tag).toBe("OciManifestInvalid")
        expect(error.message).toContain(`its mediaType is "${MediaType.image}", but it was sent as "${mediaType}"`)
      })
  )

  it.scoped("is read from a registry without the referrers API", () =>
    Effect.gen(function*() {
      const source = yield* recorded({
        wrap: (next) => Handler.override(next, { ListReferrers: () => Effect.fail(new RegistryError.Unsupported({})) })
      })
      yield* pushImage(source.registry, ["one"], {}, [v1])
      expect((yield* reading(source)).nodes.size).toBe(1)
    }))
})
