import { Settings as CommonSettings } from "@effect-oci/daemon"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { readFileSync } from "node:fs"
import { parse } from "yaml"
import * as Settings from "../src/settings.js"

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8")

interface Service {
  readonly environment?: { readonly [name: string]: string }
  readonly depends_on?: { readonly [name: string]: unknown } | ReadonlyArray<string>
}

const compose = parse(read("deploy/compose.yaml"), { merge: true }) as {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: object
}

const nodes = ["node1", "node2", "node3"]

/** Settings that a node needs. */
const needed = {
  REGISTRY_DATABASE_URL: "postgresql://registry@database/registry",
  REGISTRY_S3_BUCKET: "registry",
  REGISTRY_KEYS_DIRECTORY: "/keys"
}

const settings = (environment: { readonly [name: string]: string }) => {
  const own = Object.entries(environment).filter(([name]) => name.startsWith("REGISTRY_"))
  return Settings.read({ CONFIG: "/dev/null", ...Object.fromEntries(own) }).pipe(Effect.provide(NodeContext.layer))
}

it.effect("the compose file starts nodes with settings that they accept", () =>
  Effect.gen(function*() {
    for (const name of nodes) {
      const { keys, s3, server } = yield* settings(compose.services[name]?.environment ?? {})
      expect(server).toMatchObject({ url: new URL("http://127.0.0.1:5000"), port: 5000, behindProxy: true })
      expect(s3).toMatchObject({ bucket: "registry", forcePathStyle: true, credentials: "environment" })
      expect(keys.directory).toBe("/keys")
    }
  }))

it("the compose file names only services and nodes that exist", () => {
  const names = Object.keys(compose.services)
  for (const { depends_on: others = [] } of Object.values(compose.services)) {
    expect(names).toEqual(expect.arrayContaining(Array.isArray(others) ? others : Object.keys(others)))
  }
  const servers = [...read("deploy/nginx.conf").matchAll(/^ +server (\w+):5000 /gm)].map(([, name]) => name)
  expect(servers).toEqual(nodes)
  expect(Object.keys(compose.volumes)).toEqual(["database", "s3", "keys"])
})

it("the values for the chart name only settings that a node has", () => {
  const values = parse(read("deploy/values.yaml")) as {
    readonly settings: { readonly [table: string]: { readonly [key: string]: unknown } }
  }
  const keys = Object.entries(values.settings)
    .flatMap(([table, named]) => Object.keys(named).map((key) => `${table}.${key}`))
  for (const key of keys) expect(CommonSettings.keys(Settings.tables)).toContain(key)
})

it.effect("documents every setting in registry.toml and in the README", () =>
  Effect.gen(function*() {
    const documented = new Set<string>()
    let table = ""
    for (const [, name, key] of read("registry.toml").matchAll(/^\[(\w+)\]|^# (\w+) = /gm)) {
      if (name !== undefined) table = name
      else documented.add(`${table}.${key}`)
    }
    expect(documented).toEqual(CommonSettings.keys(Settings.tables))
    const listed = [...read("README.md").matchAll(/^\| `(\w+\.\w+)` /gm)].map(([, key]) => key)
    expect(listed).toEqual([...documented])
    const defaults = yield* settings(needed)
    expect(Duration.toSeconds(defaults.server.drain)).toBe(10)
    expect(defaults.database.connections).toBe(16)
    expect(defaults.s3).toMatchObject({ endpoint: "https://s3.amazonaws.com", region: "us-east-1", prefix: "" })
  }))

it.effect.each(Object.keys(needed))("names the setting %s that is missing", (missing) =>
  Effect.gen(function*() {
    const others = Object.entries(needed).filter(([name]) => name !== missing)
    const { message } = yield* Effect.flip(settings(Object.fromEntries(others)))
    expect(message).toContain(`${missing} (environment): it has no value`)
  }))
