import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeS3 from "@effect-oci/testing/NodeS3"
import * as S3 from "@effect-oci/testing/S3"
import { NodeContext } from "@effect/platform-node"
import { afterEach, expect, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect, Layer } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeStoreCli from "../src/NodeStoreCli.js"

if (!NodePostgres.available) process.stderr.write("Left out, because PostgreSQL is not installed: a cluster\n")

afterEach(() => {
  process.exitCode = undefined
})

/** Runs the command. Returns what it writes, and its exit code. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const write = (...texts: ReadonlyArray<unknown>) => Effect.sync(() => void lines.push(texts.map(String).join(" ")))
    process.exitCode = 0
    yield* NodeStoreCli.run(["node", "bin.js", ...args]).pipe(
      Console.withConsole({ ...(yield* Effect.console), log: write, error: write }),
      Effect.provide(NodeContext.layer)
    )
    return { code: process.exitCode, text: lines.join("\n").trim() }
  })

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "store-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const bytes = new TextEncoder().encode("{}")

/** Creates a directory of a registry with an image. */
const sample = (directory: string) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const repository = RepositoryName.make("team/app")
    const config = Descriptor.fromBytes(bytes, MediaType.imageConfig)
    yield* registry.pushBlob(repository, config, Body.bytes(bytes))
    yield* registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: new TextEncoder().encode(
        JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [] })
      ),
      tags: [Tag.make("v1")]
    })
  }).pipe(Effect.provide(Durable.layer({ directory })))

/** Writes the settings of a node, with tables that the command does not need. */
const settingsFile = (path: string, database: string, endpoint: string) =>
  writeFileSync(
    path,
    `[server]\nport = 5000\n[database]\nurl = "${database}"\n` +
      `[s3]\nendpoint = "${endpoint}"\nbucket = "registry"\nforce_path_style = true\n`
  )

const credentials = Layer.setConfigProvider(ConfigProvider.fromMap(
  new Map([
    ["AWS_ACCESS_KEY_ID", S3.credentials.accessKeyId],
    ["AWS_SECRET_ACCESS_KEY", S3.credentials.secretAccessKey]
  ])
))

it.live.skipIf(!NodePostgres.available)(
  "moves a registry from a directory into a cluster, and checks it there",
  () =>
    Effect.gen(function*() {
      const place = yield* folder
      const directory = join(place, "data")
      yield* sample(directory)
      const s3 = S3.make({ buckets: ["registry"] })
      const { origin } = yield* NodeS3.serve(s3)
      const { url } = yield* NodePostgres.make({ tcp: true })
      const cluster = join(place, "registry.toml")
      settingsFile(cluster, url, origin)
      const exported = join(place, "exported")
      expect((yield* run("export", directory, exported)).code).toBe(0)
      expect(yield* run("import", cluster, exported)).toEqual({
        code: 0,
        text: `team/app: 1 tag read from ${join(exported, "team/app")}`
      })
      expect((yield* run("stats", cluster)).text).toMatch(
        /^repositories +1\ntags +1\nmanifests +1 .*\nblobs +1 \(2 bytes\)$/
      )
      expect((yield* run("check", cluster)).text).toMatch(
        /^checked 1 manifest and 1 blob, 2 bytes: all are as they were/
      )
      expect((yield* run("gc", cluster)).text).toContain("objects deleted")
      expect(s3.objects("registry").size).toBe(1)
      expect(yield* run("backup", cluster, join(place, "copy"))).toEqual({
        code: 2,
        text: "effect-oci-store: cannot copy a cluster; back up its database, and then its bucket, with their own tools"
      })
    }).pipe(Effect.scoped, Effect.provide(credentials)),
  60_000
)

it.live("names a setting that the file lacks", () =>
  Effect.gen(function*() {
    const file = join(yield* folder, "registry.toml")
    writeFileSync(file, "[s3]\nbucket = \"registry\"\n")
    expect(yield* run("stats", file)).toEqual({
      code: 2,
      text: expect.stringMatching(/^effect-oci-store: cannot use the setting database\.url .*it has no value/) as string
    })
  }).pipe(Effect.scoped))
