import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Config, Effect, Redacted } from "effect"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Settings } from "../src/index.js"

const tables = {
  server: {
    port: Settings.withDefault(Config.port, 5000),
    names: Settings.optional(Settings.strings)
  },
  database: { url: Settings.required(Config.redacted), maxConnections: Settings.optional(Settings.count) }
} satisfies Settings.Tables

const read = (
  text: string,
  environment: { readonly [name: string]: string } = {},
  options: { readonly otherTables?: boolean } = {}
) =>
  Effect.suspend(() => {
    const file = join(mkdtempSync(join(tmpdir(), "settings-")), "registry.toml")
    writeFileSync(file, text)
    return Settings.read(tables, { environment, file, ...options })
  }).pipe(Effect.provide(NodeContext.layer))

const url = { REGISTRY_DATABASE_URL: "postgres://user:secret@host/db" }

it.effect("names keys with underscores, and hides secrets", () =>
  Effect.gen(function*() {
    const settings = yield* read("[database]\nmax_connections = 5", url)
    expect(settings.database.maxConnections).toBe(5)
    expect(Redacted.value(settings.database.url)).toBe(url.REGISTRY_DATABASE_URL)
    expect(Settings.toText(settings)).toBe(
      "server.port = 5000\ndatabase.url = <redacted>\ndatabase.max_connections = 5"
    )
  }))

it.effect("names a setting that must have a value", () =>
  Effect.map(Effect.flip(read("")), ({ message }) =>
    expect(message).toMatch(
      /^cannot use the setting database\.url \(.*\) or REGISTRY_DATABASE_URL \(environment\): it has no value/
    )))

it.effect("ignores the tables of other programs on request, but no unknown setting of its own", () =>
  Effect.gen(function*() {
    const environment = { ...url, REGISTRY_S3_BUCKET: "images" }
    const options = { otherTables: true }
    expect((yield* read("[s3]\nregion = \"x\"", environment, options)).server.port).toBe(5000)
    expect((yield* Effect.flip(read("[s3]\nregion = \"x\"", url))).message).toContain("unknown setting s3.region")
    expect((yield* Effect.flip(read("[server]\nprot = 1", url, options))).message)
      .toContain("unknown setting server.prot")
    expect((yield* Effect.flip(read("", { ...url, REGISTRY_SERVER_PROT: "1" }, options))).message)
      .toContain("unknown setting REGISTRY_SERVER_PROT")
  }))

it.effect("reads a list, and an empty list", () =>
  Effect.gen(function*() {
    expect((yield* read("[server]\nnames = []", url)).server.names).toEqual([])
    expect((yield* read("[server]\nnames = [\"a\", \"b\"]", url)).server.names).toEqual(["a", "b"])
  }))
