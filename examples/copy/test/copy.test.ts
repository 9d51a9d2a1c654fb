/** The command, built and run as a program of its own, against servers of ours. */
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { NodeRegistryServer } from "@effect-oci/server"
import { Memory } from "@effect-oci/store"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Takes half a minute from a clean clone, and a second after that. */
const build = (): void => {
  const tsc = path("../../../node_modules/typescript/bin/tsc")
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", path("..")], { encoding: "utf8" })
  if (status !== 0) throw new Error(stdout)
}

const run = (...args: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const running = yield* Command.start(
      Command.make(process.execPath, path("../dist/main.js"), ...args).pipe(
        Command.env({ DOCKER_CONFIG: "/nowhere", HOME: "/nowhere" })
      )
    )
    const [stdout, stderr, exitCode] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(running.stdout)),
      Stream.mkString(Stream.decodeText(running.stderr)),
      running.exitCode
    ], { concurrency: 3 })
    return { exitCode: Number(exitCode), stdout, stderr }
  }))

const served = Effect.map(
  Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer()))),
  (context) => ({
    registry: Context.get(context, Registry),
    host: Context.get(context, NodeRegistryServer.Address).authority
  })
)

const app = RepositoryName.make("team/app")
const v1 = Tag.make("v1")

/** An index of an image for this machine's architecture and one for another, and an SBOM of it. */
const pushIndex = (registry: Registry["Type"]) =>
  Effect.gen(function*() {
    const document = (mediaType: string, fields: object, tags: ReadonlyArray<Tag.Tag> = []) => {
      const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
      return Effect.as(
        registry.pushManifest(app, { mediaType, bytes, tags }),
        Descriptor.fromBytes(bytes, mediaType)
      )
    }
    const image = (architecture: string) =>
      Effect.gen(function*() {
        const bytes = new TextEncoder().encode(JSON.stringify({ architecture, os: "linux" }))
        const config = Descriptor.fromBytes(bytes, MediaType.imageConfig)
        yield* registry.pushBlob(app, config, Body.bytes(bytes))
        return {
          ...(yield* document(MediaType.image, { config, layers: [] })),
          platform: { os: "linux", architecture }
        }
      })
    const [own, other] = [yield* image(process.arch === "x64" ? "amd64" : process.arch), yield* image("riscv64")]
    const index = yield* document(MediaType.index, { manifests: [own, other] }, [v1])
    yield* document(MediaType.index, { manifests: [], artifactType: "an/sbom", subject: index })
    return { index, own, other }
  })

const provided = Effect.provide(NodeContext.layer)

beforeAll(build, 120_000)

describe("the command", () => {
  it.scopedLive(
    "copies the image for this machine, one for another, or all, with what refers to it",
    () =>
      Effect.gen(function*() {
        const source = yield* served
        const target = yield* served
        const { index, other, own } = yield* pushIndex(source.registry)
        const from = `${source.host}/${app}:v1`
        const digest = (name: string) =>
          Effect.map(target.registry.resolveManifest(RepositoryName.make(name), v1), (found) => found.digest)

        const one = yield* run(from, `${target.host}/one:v1`)
        expect(one).toMatchObject({ exitCode: 0, stderr: "" })
        expect(one.stdout).toMatch(/^to see to: 1 manifests, 1 blobs of \d+ B$/m)
        expect(one.stdout).toMatch(/^config {3}sha256:\w{12} copied, \d+ B$/m)
        expect(one.stdout).toMatch(new RegExp(`^copied ${own.digest}: 1 of 1 manifests, 1 blobs of `, "m"))
        expect(yield* digest("one")).toBe(own.digest)

        yield* run("--platform", "linux/riscv64", from, `${target.host}/two:v1`)
        expect(yield* digest("two")).toBe(other.digest)

        const dry = yield* run("--all", "--dry-run", from, `${target.host}/all:v1`)
        expect(dry.stdout).toMatch(new RegExp(`^would copy ${index.digest}: 3 of 3 manifests`, "m"))
        const all = yield* run("--all", "--referrers", "--concurrency", "1", from, `${target.host}/all:v1`)
        expect(all.stdout).toMatch(/4 of 4 manifests/)
        expect(yield* digest("all")).toBe(index.digest)
        const referrers = yield* Stream.runCollect(
          target.registry.listReferrers(RepositoryName.make("all"), index.digest)
        )
        expect(referrers).toHaveLength(1)
      }).pipe(provided),
    60_000
  )

  it.scopedLive("copies to layouts and archives, and from them", () =>
    Effect.gen(function*() {
      const source = yield* served
      const target = yield* served
      const { own } = yield* pushIndex(source.registry)
      const folder = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
      const layout = `oci:${join(folder, "layout")}`
      const archive = `oci-archive:${join(folder, "app.tar")}`
      for (
        const [from, to] of [
          [`${source.host}/${app}:v1`, layout],
          [layout, `${archive}:v2`],
          [archive, `${target.host}/${app}:v1`]
        ] as const
      ) expect(yield* run(from, to)).toMatchObject({ exitCode: 0, stderr: "" })
      expect((yield* target.registry.resolveManifest(app, v1)).digest).toBe(own.digest)
    }).pipe(provided), 60_000)

  it.live(
    "says in one line what is wrong, and ends with 1, or with 2 where it was called wrongly",
    () =>
      Effect.gen(function*() {
        for (
          const [args, exitCode, says] of [
            [["127.0.0.1:1/a:b", "127.0.0.1:1/b:c"], 1, /^copy: GetManifest a:b: cannot reach 127.0.0.1:1/],
            [["oci:/nowhere", "127.0.0.1:1/b:c"], 1, /^copy: \/nowhere cannot be used as an image layout: /],
            [["a b", "b"], 1, /^copy: invalid reference "a b": /],
            [["oci:", "b"], 1, /^copy: invalid reference "": a path is missing/],
            [["a", "b", "--platform", "arm"], 1, /^copy: invalid platform "arm": /],
            [["only-one"], 2, /TARGET/],
            [["a", "b", "--concurrency", "many"], 2, /not a integer/]
          ] as const
        ) {
          const { stderr, ...ended } = yield* run(...args)
          expect(ended).toMatchObject({ exitCode })
          expect(`${stderr}${ended.stdout}`).toMatch(says)
          if (exitCode === 1) expect(stderr.trim().split("\n")).toHaveLength(1)
        }
      }).pipe(provided),
    60_000
  )
})
