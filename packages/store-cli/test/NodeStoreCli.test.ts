import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { NodeContext } from "@effect/platform-node"
import { afterEach, describe, expect, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeStoreCli from "../src/NodeStoreCli.js"

afterEach(() => {
  process.exitCode = undefined
})

/** Runs the command. Returns its output and its exit code. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const out: Array<string> = []
    const err: Array<string> = []
    const write = (lines: Array<string>) => (...texts: ReadonlyArray<unknown>) =>
      Effect.sync(() => void lines.push(texts.map(String).join(" ")))
    const console: Console.Console = { ...(yield* Effect.console), log: write(out), error: write(err) }
    process.exitCode = 0
    yield* NodeStoreCli.run(["node", "bin.js", ...args]).pipe(
      Console.withConsole(console),
      Effect.provide(NodeContext.layer)
    )
    return { code: process.exitCode, out: out.join("\n"), err: err.join("\n").trim() }
  })

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "store-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const repository = RepositoryName.make("team/app")
const text = (value: string) => new TextEncoder().encode(value)

/** Pushes an image with a layer of its own. */
const pushImage = (tag: string) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const config = Descriptor.fromBytes(text("{}"), MediaType.imageConfig)
    const layer = Descriptor.fromBytes(text(`layer of ${tag}`), MediaType.layer)
    yield* registry.pushBlob(repository, config, Body.bytes(text("{}")))
    yield* registry.pushBlob(repository, layer, Body.bytes(text(`layer of ${tag}`)))
    return yield* registry.pushManifest(repository, {
      mediaType: MediaType.image,
      bytes: text(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer] })),
      tags: [Tag.make(tag)]
    })
  })

/** Creates the directory of a registry with two images. Without a grace, a collector may delete them at once. */
const registry = Effect.gen(function*() {
  const place = yield* temporary
  const directory = join(place, "data")
  yield* Effect.provide(Effect.zipRight(pushImage("v1"), pushImage("v2")), Durable.layer({ directory, grace: 0 }))
  return { place, directory }
})

/** Returns the digests of the tags of a registry. */
const digests = (directory: string) =>
  Effect.forEach(
    ["v1", "v2"],
    (tag) => Effect.flatMap(Registry, (found) => found.resolveManifest(repository, Tag.make(tag)))
  ).pipe(
    Effect.map((found) => found.map(({ digest }) => digest)),
    Effect.provide(Durable.layer({ directory }))
  )

/** Returns the paths of the files of the blobs. */
const blobFiles = (directory: string) =>
  readdirSync(join(directory, "blobs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe("effect-oci-store", () => {
  it.scopedLive.each([
    {
      args: ["stats"],
      out: "repositories  1\ntags          2\nmanifests     2 (786 bytes)\nblobs         3 (24 bytes)"
    },
    { args: ["check"], out: /^checked 2 manifests and 3 blobs, .*: all are as they were pushed$/ },
    {
      args: ["gc"],
      out:
        /^manifests removed +0\nblobs removed from repositories +0\nfiles deleted +0\nfiles without metadata deleted +0$/
    },
    { args: ["retain", "--newest", "2"], out: "nothing to delete: the rules keep all tags" },
    {
      args: ["retain", "--keep", "v2"],
      out: /^team\/app:v1 {2}.+\nwould delete 1 tag; run again with --apply to delete$/
    }
  ])("$args prints what it found", ({ args: [name = "", ...options], out }) =>
    Effect.gen(function*() {
      const { directory } = yield* registry
      const result = yield* run(name, ...options, directory)
      expect(result).toEqual({ code: 0, err: "", out: typeof out === "string" ? out : expect.stringMatching(out) })
    }))

  it.scopedLive("check prints a corrupt blob, and exits with 1", () =>
    Effect.gen(function*() {
      const { directory } = yield* registry
      const [file = ""] = blobFiles(directory)
      appendFileSync(file, "x")
      const { code, out } = yield* run("check", directory)
      expect(out).toMatch(
        /^corrupt {3}blob sha256:\w{64}: the bytes in the file [\w-]+ have another digest\n(affected .*\n)+checked /
      )
      expect(code).toBe(1)
    }))

  it.scopedLive("check --discard lets a push repair a damaged blob", () =>
    Effect.gen(function*() {
      const { directory } = yield* registry
      for (const file of blobFiles(directory)) appendFileSync(file, "x")
      const { code, out } = yield* run("check", "--discard", directory)
      expect(out).toMatch(
        /^(corrupt .*\n){3}affected {2}team\/app:v1\naffected {2}team\/app:v2\nchecked .*: the damaged blobs were discarded; push/
      )
      expect(code).toBe(1)
      yield* Effect.provide(Effect.zipRight(pushImage("v1"), pushImage("v2")), Durable.layer({ directory }))
      expect(yield* run("check", directory)).toMatchObject({ code: 0, out: expect.stringMatching(/all are as they/) })
    }))

  it.scopedLive("check prints a missing blob, and exits with 1", () =>
    Effect.gen(function*() {
      const { directory } = yield* registry
      const [file = ""] = blobFiles(directory)
      rmSync(file)
      const { code, out } = yield* run("check", directory)
      expect(out).toMatch(
        /^missing {3}blob sha256:\w{64}: the file [\w-]+ \(\d+ bytes\) does not exist\n(affected .*\n)+checked /
      )
      expect(code).toBe(1)
    }))

  it.scopedLive("retain deletes tags only with --apply, and gc then deletes their manifests", () =>
    Effect.gen(function*() {
      const { directory } = yield* registry
      yield* run("retain", "--keep", "v2", directory)
      expect((yield* run("stats", directory)).out).toContain("tags          2")
      const { out } = yield* run("retain", "--keep", "v2", "--apply", directory)
      expect(out).toMatch(/\ndeleted 1 tag; /)
      expect((yield* run("stats", directory)).out).toContain("tags          1")
      const collected = yield* run("gc", "--grace", "0 seconds", "--untagged", "delete", directory)
      expect(collected.out).toContain("manifests removed                1")
      expect((yield* run("check", directory)).code).toBe(0)
    }))

  it.scopedLive.each([
    { name: "layouts", options: [], path: "exported/team/app" },
    { name: "archives", options: ["--archive"], path: "exported/team/app.tar" }
  ])("exports $name, and imports the same digests into a new directory", ({ options, path }) =>
    Effect.gen(function*() {
      const { directory, place } = yield* registry
      const exported = join(place, "exported")
      const copy = join(place, "copy")
      expect(yield* run("export", ...options, directory, exported)).toEqual(
        { code: 0, err: "", out: `team/app: 2 tags written to ${join(place, path)}` }
      )
      expect(yield* run("import", copy, exported)).toEqual(
        { code: 0, err: "", out: `team/app: 2 tags read from ${join(place, path)}` }
      )
      expect(yield* digests(copy)).toEqual(yield* digests(directory))
    }))

  it.scopedLive("stats, check, backup and the dry run of retain work while the registry runs", () =>
    Effect.gen(function*() {
      const { directory, place } = yield* registry
      const backup = join(place, "backup")
      yield* Effect.gen(function*() {
        for (const args of [["stats"], ["check"], ["retain", "--newest", "1"]]) {
          expect(yield* run(...args, directory)).toMatchObject({ code: 0, err: "" })
        }
        mkdirSync(join(directory, "keys"))
        expect((yield* run("backup", directory, backup)).out).toBe(
          `copied to ${backup}: 3 blobs, 24 bytes\n` +
            `not copied: ${join(directory, "keys")}; it is not content of the registry`
        )
      }).pipe(Effect.provide(Durable.layer({ directory })))
      expect(yield* digests(backup)).toEqual(yield* digests(directory))
    }))

  it.scopedLive.each([
    { args: ["gc", "DATA"] },
    { args: ["retain", "--newest", "1", "--apply", "DATA"] },
    { args: ["export", "DATA", "EXPORTED"] },
    { args: ["import", "DATA", "EXPORTED"] }
  ])(
    "$args fails while the registry runs",
    ({ args }) =>
      Effect.gen(function*() {
        const { directory, place } = yield* registry
        const exported = join(place, "exported")
        yield* run("export", directory, exported)
        const paths = args.map((arg) => arg.replace("DATA", directory).replace("EXPORTED", exported))
        const { code, err } = yield* Effect.provide(run(...paths), Durable.layer({ directory }))
        expect(err).toMatch(
          /^effect-oci-store: cannot open .*another process uses it; stop the other process first, or use another folder$/
        )
        expect(code).toBe(2)
      })
  )

  it.scopedLive.each([
    { args: ["stats", "PLACE/none"] },
    { args: ["check", "PLACE/none"] },
    { args: ["gc", "PLACE/none"] },
    { args: ["retain", "--newest", "1", "PLACE/none"] },
    { args: ["retain", "--newest", "1", "--apply", "PLACE/none"] },
    { args: ["backup", "PLACE/none", "PLACE/target"] },
    { args: ["export", "PLACE/none", "PLACE/target"] }
  ])("$args fails without a registry, and creates nothing", ({ args }) =>
    Effect.gen(function*() {
      const place = yield* temporary
      const none = join(place, "none")
      const result = yield* run(...args.map((arg) => arg.replace("PLACE", place)))
      expect(result).toEqual({
        code: 2,
        out: "",
        err: `effect-oci-store: cannot open the registry in ${none}: there is no file ${join(none, "metadata.db")}; ` +
          "name the directory of a registry"
      })
      expect(readdirSync(place)).toEqual([])
    }))

  it.scopedLive.each([
    { args: ["retain", "DATA"], err: "no rule says which tags are kept; name at least one" },
    { args: ["gc", "--grace", "soon", "DATA"], err: "--grace soon: expected a duration such as \"24 hours\"" },
    { args: ["backup", "DATA", "DATA"], err: "it exists already; name a new directory" },
    {
      args: ["export", "--repository", "no/such", "DATA", "NEW"],
      err: "the registry has no repository with this name"
    },
    { args: ["import", "NEW", "NONE"], err: "cannot import NONE: ENOENT" },
    { args: ["import", "NEW", "DATA"], err: "cannot import DATA: it contains no layout and no archive (.tar)" }
  ])("$args fails with a reason", ({ args, err }) =>
    Effect.gen(function*() {
      const { directory, place } = yield* registry
      const filled = (value: string) =>
        value.replace("DATA", directory).replace("NEW", join(place, "new")).replace("NONE", join(place, "none"))
      const result = yield* run(...args.map(filled))
      expect(result.err).toContain(filled(err))
      expect(result.code).toBe(2)
      expect(existsSync(join(place, "new"))).toBe(false)
    }))
})
