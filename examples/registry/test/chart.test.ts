import { Settings as CommonSettings } from "@effect-oci/daemon"
import { expect, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { readFileSync } from "node:fs"
import { parse } from "yaml"
import * as Settings from "../src/settings.js"

const read = (name: string) => readFileSync(new URL(`../deploy/chart/${name}`, import.meta.url), "utf8")

const validate = new Ajv({ allErrors: true, allowUnionTypes: true })
  .compile(JSON.parse(read("values.schema.json")) as object)

interface Values {
  readonly settings: { readonly [table: string]: { readonly [key: string]: unknown } }
}

const values = parse(read("values.yaml")) as Values

it("has values that its schema accepts", () => {
  validate(values)
  expect(validate.errors).toBeNull()
})

it("refuses values that its templates cannot use", () => {
  const wrong = [
    { ...values, replicas: 2 },
    { ...values, settings: { server: { port: { number: 5000 } } } },
    { ...values, persistence: { enabled: true, size: "a lot" } },
    { ...values, service: { type: "ClusterIP", port: 0 } }
  ]
  expect(wrong.map((value) => validate(value))).toEqual([false, false, false, false])
})

it("names only settings that the registry has", () => {
  const keys = Object.entries(values.settings)
    .flatMap(([table, settings]) => Object.keys(settings).map((key) => `${table}.${key}`))
  for (const key of keys) expect(CommonSettings.keys(Settings.tables)).toContain(key)
})

it("uses only values that exist", () => {
  const templates = ["settings", "service", "registry"].map((name) => read(`templates/${name}.yaml`)).join("\n")
  for (const [, path = ""] of templates.matchAll(/\.Values\.([\w.]+)/g)) {
    const value = path.split(".").reduce<unknown>((found, name) => (found as Record<string, unknown>)[name], values)
    expect({ path, value }).not.toEqual({ path, value: undefined })
  }
})
