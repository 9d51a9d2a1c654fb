import { Settings as CommonSettings } from "@effect-oci/daemon"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Duration, Effect, LogLevel } from "effect"
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Settings from "../src/settings.js"

/** Reads settings from a file with a text and from the environment. */
const read = (text: string, environment: { readonly [name: string]: string } = {}) =>
  Effect.suspend(() => {
    const path = join(mkdtempSync(join(tmpdir(), "settings-")), "registry.toml")
    writeFileSync(path, text)
    return Settings.read({ CONFIG: path, ...environment })
  }).pipe(Effect.provide(NodeContext.layer))

const problem = (text: string, environment?: { readonly [name: string]: string }) =>
  Effect.map(Effect.flip(read(text, environment)), ({ message }) => message)

const sample = readFileSync(new URL("../registry.toml", import.meta.url), "utf8")

/** The sample with all settings in place of comments. */
const uncommented = sample.replaceAll(/^# (?=[a-z_]+ = )/gm, "")

it.effect("reads the file, and prefers the environment", () =>
  Effect.gen(function*() {
    const settings = yield* read(
      `
      [server]
      port = 443
      url = "https://registry.example.com"
      shutdown = "2 minutes"
      [storage]
      min_free = "1.5 GiB"
      [access]
      admins = ["alice", "bob"]
      `,
      { REGISTRY_SERVER_PORT: "8443", REGISTRY_RETENTION_KEEP_TAGS: "v*,latest", REGISTRY_LOG_LEVEL: "debug" }
    )
    expect(settings.server).toMatchObject({
      host: "127.0.0.1",
      port: 8443,
      url: new URL("https://registry.example.com"),
      shutdown: Duration.minutes(2)
    })
    expect(settings.storage.minFree).toBe(1.5 * 1024 ** 3)
    expect(settings.access.admins).toEqual(["alice", "bob"])
    expect(settings.retention.keepTags).toEqual(["v*", "latest"])
    expect(settings.log.level).toBe(LogLevel.Debug)
  }))

it.effect("documents every setting in registry.toml, with its default", () =>
  Effect.gen(function*() {
    const documented = new Set<string>()
    let table = ""
    for (const [, name, key] of sample.matchAll(/^\[(\w+)\]|^# (\w+) = /gm)) {
      if (name !== undefined) table = name
      else documented.add(`${table}.${key}`)
    }
    expect(documented).toEqual(CommonSettings.keys(Settings.tables))
    const defaults = yield* read("")
    const examples = new Set([
      "url",
      "certificate",
      "key",
      "clientAuthorities",
      "users",
      "issuers",
      "audience",
      "newest",
      "youngerThan",
      "keepTags",
      "quota"
    ])
    const json = (settings: Settings.Values) =>
      JSON.stringify(settings, (name, value: unknown) => examples.has(name) ? undefined : value)
    expect(json(yield* read(uncommented))).toBe(json(defaults))
  }))

it.effect("reads lists of tables, and JSON in the environment", () =>
  Effect.gen(function*() {
    const issuer = {
      kind: "github",
      rules: [{ when: { ref: ["refs/heads/main", "refs/tags/*"] }, grant: "repository:x:pull" }]
    }
    const toml = `
      [[oidc.issuers]]
      kind = "github"
      [[oidc.issuers.rules]]
      when = { ref = ["refs/heads/main", "refs/tags/*"] }
      grant = "repository:x:pull"
    `
    expect((yield* read(toml)).oidc.issuers).toEqual([issuer])
    expect((yield* read("", { REGISTRY_OIDC_ISSUERS: JSON.stringify([issuer]) })).oidc.issuers).toEqual([issuer])
  }))

it.effect.each(
  [
    ["[server]\nport = 70000", {}, /server\.port.*registry\.toml.*REGISTRY_SERVER_PORT.*port/],
    ["", { REGISTRY_SERVER_PORT: "http" }, /server\.port.*port/],
    ["[storage]\nmin_free = \"much\"", {}, /storage\.min_free.*expected a size such as "10 GiB", received "much"/],
    ["[storage]\nsync = \"never\"", {}, /storage\.sync.*chunk/],
    ["[retention]\nnewest = 0", {}, /retention\.newest.*1 or more/],
    ["[server]\nprot = 5000", {}, /registry\.toml: unknown setting server\.prot; known settings: server\.host/],
    ["", { REGISTRY_SERVER_PROT: "5000" }, /environment: unknown setting REGISTRY_SERVER_PROT/],
    ["[[oidc.issuers]]\nkind = \"githup\"\nrules = []", {}, /oidc\.issuers.*REGISTRY_OIDC_ISSUERS/s],
    ["[[oidc.issuers]]\nkind = \"github\"\nrules = []\nrule = []", {}, /oidc\.issuers.*is unexpected/s],
    ["[[oidc.issuers]]\nkind = \"github\"\nrules = [{ grant = \"repository:x:pull\" }]", {}, /when/],
    ["", { REGISTRY_OIDC_ISSUERS: "github" }, /REGISTRY_OIDC_ISSUERS/],
    ["[server", {}, /cannot read the settings in .*registry\.toml.*Invalid TOML/s]
  ] as const
)(
  "refuses %j with %j",
  ([text, environment, expected]) =>
    Effect.map(problem(text, environment), (message) => expect(message).toMatch(expected))
)

it.effect("says which file is missing", () =>
  Effect.gen(function*() {
    const { message } = yield* Effect.flip(Settings.read({ CONFIG: "/no/such.toml" }))
    expect(message).toMatch(/cannot read the settings in \/no\/such\.toml/)
  }).pipe(Effect.provide(NodeContext.layer)))

/** Returns the rows of the README's table of settings. */
const rows = Effect.map(read(""), (defaults) => {
  const found: Array<string> = []
  let table = ""
  let comment = ""
  for (const line of sample.split("\n")) {
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? []
    const [, key, value] = /^# (\w+) = (.*)$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) {
      const property = key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      const values: { readonly [property: string]: unknown } = defaults[table as keyof Settings.Values]
      const shown = key === "keep_tags" || key === "issuers" ? "[]" : value
      const defaultValue = values[property] === undefined ? "" : `\`${shown}\``
      found.push(`| \`${table}.${key}\` | ${defaultValue} | ${comment} |`)
    }
    if (name !== undefined) table = name
    comment = line.startsWith("# ") && key === undefined ? `${comment} ${line.slice(2)}`.trim() : ""
  }
  return found
})

it.effect("the README lists every setting as registry.toml does", () =>
  Effect.gen(function*() {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const listed = readme.split("\n").filter((line) => /^\| `\w+\.\w+` /.test(line))
    expect(listed.map((line) => line.replace(/ +/g, " "))).toEqual((yield* rows).map((row) => row.replace(/ +/g, " ")))
  }))

it.effect("prints the settings that have a value", () =>
  Effect.gen(function*() {
    const lines = CommonSettings.toText(yield* read("[server]\nurl = \"https://registry.example.com\"")).split("\n")
    expect(lines).toEqual(expect.arrayContaining([
      "server.port = 5000",
      "server.url = https://registry.example.com/",
      "server.shutdown = 30s",
      "server.behind_proxy = false",
      "storage.min_free = 1073741824",
      "log.level = INFO"
    ]))
    expect(lines.join()).not.toContain("tls.")
  }))
