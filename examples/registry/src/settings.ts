/**
 * The settings of the registry. Each setting has a key in the file (`server.port`) and a variable in the environment
 * (`REGISTRY_SERVER_PORT`). The variable takes precedence.
 */
import { FileSystem } from "@effect/platform"
import { Config, ConfigError, ConfigProvider, Data, Duration, Effect, Either, LogLevel } from "effect"
import { parse } from "smol-toml"

/** The settings cannot be used. The message says which one, and where it was set. */
export class SettingsInvalid extends Data.TaggedError("SettingsInvalid")<{ readonly message: string }> {}

const prefix = "REGISTRY_"

/** The name of a setting in the environment: `REGISTRY_SERVER_PORT`. */
const variable = (key: string) => prefix + key.toUpperCase().replaceAll(".", "_")

/** The keys of all settings, for the check of unknown keys. */
export const keys = new Set<string>()

const setting = <A, D extends A | undefined>(
  key: string,
  config: (key: string) => Config.Config<A>,
  defaultValue: D
): Config.Config<A | D> => {
  keys.add(key)
  return Config.withDefault(config(key), defaultValue)
}

const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/** Parses a number of bytes, such as `10 GiB`. */
const bytes = (key: string) =>
  Config.mapOrFail(Config.string(key), (text) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)$/.exec(text.trim()) ?? []
    return unit === undefined
      ? Either.left(ConfigError.InvalidData([], `expected a size such as "10 GiB", received "${text}"`))
      : Either.right(Math.floor(Number(number) * units[unit as keyof typeof units]))
  })

const count = (key: string) =>
  Config.validate(Config.integer(key), { message: "expected 1 or more", validation: (value) => value >= 1 })

const strings = (key: string) => Config.array(Config.string(), key)

const optional = <A>(key: string, config: (key: string) => Config.Config<A>) => setting(key, config, undefined)

const config = Config.all({
  server: Config.all({
    host: setting("server.host", Config.string, "127.0.0.1"),
    port: setting("server.port", Config.port, 5000),
    url: optional("server.url", Config.url),
    shutdown: setting("server.shutdown", Config.duration, Duration.seconds(30)),
    behindProxy: setting("server.behind_proxy", Config.boolean, false)
  }),
  tls: Config.all({
    certificate: optional("tls.certificate", Config.string),
    key: optional("tls.key", Config.string)
  }),
  storage: Config.all({
    directory: setting("storage.directory", Config.string, "data"),
    sync: setting("storage.sync", (key) => Config.literal("chunk", "commit")(key), "chunk"),
    minFree: setting("storage.min_free", bytes, units.GiB)
  }),
  access: Config.all({
    users: optional("access.users", Config.string),
    admins: setting("access.admins", strings, ["admin"]),
    public: setting("access.public", strings, ["public"])
  }),
  collector: Config.all({
    every: setting("collector.every", Config.duration, Duration.hours(1)),
    grace: setting("collector.grace", Config.duration, Duration.hours(24)),
    untagged: setting("collector.untagged", (key) => Config.literal("keep", "delete")(key), "keep")
  }),
  retention: Config.all({
    every: setting("retention.every", Config.duration, Duration.hours(24)),
    newest: optional("retention.newest", count),
    youngerThan: optional("retention.younger_than", Config.duration),
    keepTags: setting("retention.keep_tags", strings, [])
  }),
  metrics: Config.all({ public: setting("metrics.public", Config.boolean, false) }),
  log: Config.all({
    level: setting("log.level", Config.logLevel, LogLevel.Info),
    format: setting("log.format", (key) => Config.literal("json", "logfmt", "pretty")(key), "logfmt")
  })
})

export type Settings = Config.Config.Success<typeof config>

const shown = (value: unknown): string => {
  if (Duration.isDuration(value)) return Duration.format(value)
  if (value instanceof URL) return value.href
  return typeof value === "object" && value !== null && "label" in value ? String(value.label) : JSON.stringify(value)
}

/** Returns a line for each setting that has a value: `server.port = 5000`. */
export const toText = (settings: Settings): string =>
  Object.entries(settings).flatMap(([table, values]) =>
    Object.entries(values).filter(([, value]) => value !== undefined).map(([name, value]) =>
      `${table}.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} = ${shown(value)}`
    )
  ).join("\n")

/** Returns the values of a table by their keys: `server.port`. */
const flatten = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, string]> => {
  if (Array.isArray(value)) return [[path.join("."), value.map(String).join(",")]]
  return typeof value === "object" && value !== null && !(value instanceof Date)
    ? Object.entries(value).flatMap(([name, child]) => flatten(child, [...path, name]))
    : [[path.join("."), String(value)]]
}

const invalid = (message: string) => Effect.fail(new SettingsInvalid({ message }))

/** Reads the file of settings. Without CONFIG, reads `registry.toml` if it exists. */
const readFile = ({ CONFIG }: Environment) => {
  const path = CONFIG ?? "registry.toml"
  return Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    if (CONFIG === undefined && !(yield* files.exists(path))) return { path, values: [] }
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

interface Environment {
  readonly [name: string]: string | undefined
}

/** Reads the settings from the file and the environment. */
export const read = (environment: Environment): Effect.Effect<Settings, SettingsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const file = yield* readFile(environment)
    const values = new Map<string, string>()
    for (const [key, value] of file.values) {
      if (!keys.has(key)) return yield* invalid(`${file.path}: there is no setting "${key}"; ${known()}`)
      values.set(key, value)
    }
    const keyOf = new Map(Array.from(keys, (key) => [variable(key), key]))
    for (const [name, value] of Object.entries(environment)) {
      if (!name.startsWith(prefix) || value === undefined) continue
      const key = keyOf.get(name)
      if (key === undefined) return yield* invalid(`environment: there is no setting ${name}; ${known()}`)
      values.set(key, value)
    }
    const provider = ConfigProvider.fromMap(values, { pathDelim: "/", seqDelim: "," })
    return yield* Effect.mapError(provider.load(config), (error) => {
      const { key, reason } = firstProblem(error)
      return new SettingsInvalid({
        message: `cannot use the setting ${key} (${file.path}) or ${variable(key)} (environment): ${reason}`
      })
    })
  })

const known = () => `known settings: ${Array.from(keys).join(", ")}`

const firstProblem = (error: ConfigError.ConfigError): { readonly key: string; readonly reason: string } => {
  switch (error._op) {
    case "And":
    case "Or":
      return firstProblem(error.left)
    default:
      return { key: error.path.join("."), reason: error.message }
  }
}
