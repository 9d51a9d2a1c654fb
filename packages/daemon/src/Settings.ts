/**
 * Settings in tables, from a file in TOML and from the environment. Each setting has a key in the file (`server.port`)
 * and a variable in the environment (`REGISTRY_SERVER_PORT`). The variable takes precedence. A key that no table has is
 * an error.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parse } from "smol-toml"

/**
 * The settings cannot be used. The message names the setting, and where it was set.
 *
 * @since 0.1.0
 * @category errors
 */
export class SettingsInvalid extends Data.TaggedError("OciSettingsInvalid")<{ readonly message: string }> {}

/**
 * A setting: parses the value of a key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Setting<out A> {
  readonly config: (key: string) => Config.Config<A>
}

/**
 * Tables of settings. The name of a setting in the file and in the environment is written with underscores:
 * `behindProxy` is `behind_proxy`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tables {
  readonly [table: string]: { readonly [name: string]: Setting<unknown> }
}

/**
 * The values of tables of settings.
 *
 * @since 0.1.0
 * @category models
 */
export type Values<T extends Tables> = {
  readonly [Table in keyof T]: {
    readonly [Name in keyof T[Table]]: T[Table][Name] extends Setting<infer A> ? A : never
  }
}

/**
 * Creates a setting that must have a value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const required = <A>(config: (key: string) => Config.Config<A>): Setting<A> => ({ config })

/**
 * Creates a setting with a default.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Settings } from "@effect-oci/daemon"
 * import { Config, Duration } from "effect"
 *
 * const tables = {
 *   server: {
 *     port: Settings.withDefault(Config.port, 5000),
 *     shutdown: Settings.withDefault(Config.duration, Duration.seconds(30))
 *   }
 * }
 * const settings = Settings.read(tables, { environment: process.env })
 * ```
 */
export const withDefault = <A, D extends A | undefined>(
  config: (key: string) => Config.Config<A>,
  defaultValue: D
): Setting<A | D> => ({ config: (key) => Config.withDefault(config(key), defaultValue) })

/**
 * Creates a setting that may have no value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const optional = <A>(config: (key: string) => Config.Config<A>): Setting<A | undefined> =>
  withDefault(config, undefined)

const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/**
 * Parses a number of bytes, such as `10 GiB`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const bytes = (key: string): Config.Config<number> =>
  Config.mapOrFail(Config.string(key), (text) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)$/.exec(text.trim()) ?? []
    return unit === undefined
      ? Either.left(ConfigError.InvalidData([], `expected a size such as "10 GiB", received "${text}"`))
      : Either.right(Math.floor(Number(number) * units[unit as keyof typeof units]))
  })

/**
 * Parses an integer of at least 1.
 *
 * @since 0.1.0
 * @category parsing
 */
export const count = (key: string): Config.Config<number> =>
  Config.validate(Config.integer(key), { message: "expected 1 or more", validation: (value) => value >= 1 })

/**
 * Parses a list of texts. In the environment, commas separate them. Empty texts are left out, so an empty value is an
 * empty list.
 *
 * @since 0.1.0
 * @category parsing
 */
export const strings = (key: string): Config.Config<Array<string>> =>
  Config.map(Config.array(Config.string(), key), (texts) => texts.filter((text) => text !== ""))

/**
 * Creates a parser of lists of tables, such as `[[oidc.issuers]]`. In the environment, the value is JSON.
 *
 * @since 0.1.0
 * @category parsing
 */
export const json = <A, I>(schema: Schema.Schema<A, I>) => (key: string): Config.Config<A> =>
  Schema.Config(key, Schema.parseJson(schema))

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const keyOf = (table: string, name: string) => `${table}.${snakeCase(name)}`

/**
 * Returns the keys of all settings, such as `server.port`.
 *
 * @since 0.1.0
 * @category getters
 */
export const keys = (tables: Tables): ReadonlySet<string> =>
  new Set(
    Object.entries(tables).flatMap(([table, settings]) => Object.keys(settings).map((name) => keyOf(table, name)))
  )

const shown = (value: unknown): string => {
  if (Duration.isDuration(value)) return Duration.format(value)
  if (Redacted.isRedacted(value)) return "<redacted>"
  if (value instanceof URL) return value.href
  return typeof value === "object" && value !== null && "label" in value ? String(value.label) : JSON.stringify(value)
}

/**
 * Returns a line for each setting that has a value: `server.port = 5000`. Hides secrets.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (settings: { readonly [table: string]: { readonly [name: string]: unknown } }): string =>
  Object.entries(settings).flatMap(([table, values]) =>
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [`${keyOf(table, name)} = ${shown(value)}`]
    )
  ).join("\n")

/**
 * Options for {@link read}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The environment, such as `process.env`. `CONFIG` names the file. */
  readonly environment: { readonly [name: string]: string | undefined }
  /** The file. It must exist. Default: `CONFIG`, or `registry.toml` if it exists. */
  readonly file?: string | undefined
  /** How the names of the variables begin. Default: `REGISTRY_`. */
  readonly prefix?: string | undefined
  /** Whether the file and the environment may have tables of other programs. Default: `false`. */
  readonly otherTables?: boolean | undefined
}

const defaultFile = "registry.toml"

/** Returns the values of a table by their keys: `server.port`. */
const flatten = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, string]> => {
  if (Array.isArray(value)) return [[path.join("."), textOf(value)]]
  return typeof value === "object" && value !== null && !(value instanceof Date)
    ? Object.entries(value).flatMap(([name, child]) => flatten(child, [...path, name]))
    : [[path.join("."), String(value)]]
}

const textOf = (values: ReadonlyArray<unknown>) =>
  values.some((value) => typeof value === "object") ? JSON.stringify(values) : values.map(String).join(",")

const readFile = ({ environment, file = environment["CONFIG"] }: Options) => {
  const path = file ?? defaultFile
  return Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    if (file === undefined && !(yield* files.exists(path))) return { path, values: [] }
    const text = yield* files.readFileString(path)
    const values = yield* Effect.try({
      try: () => flatten(parse(text)),
      catch: (cause) => new SettingsInvalid({ message: (cause as Error).message })
    })
    return { path, values }
  }).pipe(
    Effect.mapError(({ message }) =>
      new SettingsInvalid({ message: `cannot read the settings in ${path}: ${message}` })
    )
  )
}

const configOf = <T extends Tables>(tables: T): Config.Config<Values<T>> =>
  Config.all(
    Object.fromEntries(
      Object.entries(tables).map(([table, settings]) => [
        table,
        Config.all(
          Object.fromEntries(
            Object.entries(settings).map(([name, { config }]) => [name, config(keyOf(table, name))])
          )
        )
      ])
    )
  ) as Config.Config<unknown> as Config.Config<Values<T>>

const problemOf = (error: ConfigError.ConfigError): { readonly key: string; readonly reason: string } => {
  switch (error._op) {
    case "And":
    case "Or":
      return problemOf(error.left)
    case "MissingData":
      return { key: error.path.join("."), reason: "it has no value, and no default; set it" }
    default:
      return { key: error.path.join("."), reason: error.message }
  }
}

/**
 * Reads settings from a file and from the environment.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = <T extends Tables>(
  tables: T,
  options: Options
): Effect.Effect<Values<T>, SettingsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const { environment, otherTables = false, prefix = "REGISTRY_" } = options
    const file = yield* readFile(options)
    const known = keys(tables)
    const variableOf = (key: string) => prefix + key.toUpperCase().replaceAll(".", "_")
    const unknown = (place: string, name: string) =>
      new SettingsInvalid({
        message: `${place}: unknown setting ${name}; known settings: ${Array.from(known).join(", ")}`
      })
    const isOther = (table: string | undefined) => otherTables && !(table !== undefined && table in tables)
    const values = new Map<string, string>()
    for (const [key, value] of file.values) {
      if (known.has(key)) values.set(key, value)
      else if (!isOther(key.split(".")[0])) return yield* unknown(file.path, key)
    }
    const keysOf = new Map(Array.from(known, (key) => [variableOf(key), key]))
    for (const [name, value] of Object.entries(environment)) {
      if (!name.startsWith(prefix) || value === undefined) continue
      const key = keysOf.get(name)
      if (key !== undefined) values.set(key, value)
      else if (!isOther(name.slice(prefix.length).toLowerCase().split("_")[0])) {
        return yield* unknown("environment", name)
      }
    }
    const provider = ConfigProvider.fromMap(values, { pathDelim: "/", seqDelim: "," })
    return yield* Effect.mapError(provider.load(configOf(tables)), (error) => {
      const { key, reason } = problemOf(error)
      return new SettingsInvalid({
        message: `cannot use the setting ${key} (${file.path}) or ${variableOf(key)} (environment): ${reason}`
      })
    })
  })
