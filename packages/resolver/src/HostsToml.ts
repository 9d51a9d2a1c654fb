/**
 * Configuration of hosts as containerd and Docker have it.
 *
 * @since 0.1.0
 */
import { printable, RepositoryName } from "@effect-oci/core"
import type { Union } from "@effect-oci/middleware"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { parse as parseToml, TomlError } from "smol-toml"
import * as HostConfig from "./HostConfig.js"
import { lineOf } from "./internal/tomlLines.js"

/**
 * A file cannot be used: which one, in which line, and why. What it says is not repeated, but for its keys.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostsInvalid extends Data.TaggedError("HostsInvalid")<{
  readonly file: string
  readonly line?: number | undefined
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}${this.line === undefined ? "" : `:${this.line}`}: ${this.reason}`
  }
}

type Read<A, R = never> = Effect.Effect<A, HostsInvalid, R>

/** What is wrong with a member of a table. */
interface Problem {
  readonly key: string
  readonly reason: string
}

type Table = { readonly [key: string]: unknown }

type Checked<A> = Either.Either<A, Problem>

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const wrong = (key: string, reason: string) => Either.left<Problem>({ key, reason })

const text = (key: string, value: unknown): Checked<string> =>
  typeof value === "string" ? Either.right(value) : wrong(key, "it is no string")

const flag = (key: string, value: unknown): Checked<boolean> =>
  typeof value === "boolean" ? Either.right(value) : wrong(key, "it is neither true nor false")

const texts = (key: string, value: unknown): Checked<ReadonlyArray<string>> =>
  Array.isArray(value) ? Either.all(value.map((each) => text(key, each))) : Either.map(text(key, value), (one) => [one])

const known: ReadonlySet<string> = new Set(["pull", "resolve", "push"])

const capabilities = (key: string, value: unknown): Checked<ReadonlyArray<Union.Capability>> =>
  Either.flatMap(texts(key, value), (names) => {
    const unknown = names.find((name) => !known.has(name))
    return unknown === undefined
      ? Either.right(names as ReadonlyArray<Union.Capability>)
      : wrong(key, `"${printable(unknown, 40)}" is no capability: there are pull, resolve and push`)
  })

const headers = (key: string, value: unknown): Checked<{ readonly [name: string]: Redacted.Redacted }> =>
  isTable(value)
    ? Either.map(
      Either.all(
        Object.entries(value).map(([name, given]) =>
          Either.map(texts(`${key}.${name}`, given), (all) => [name, Redacted.make(all.join(", "))] as const)
        )
      ),
      (all) => Object.fromEntries(all)
    )
    : wrong(key, "it is no table")

/** Files of a certificate and its key: one file of both, a pair of files, or pairs of which the first counts. */
const certificate = (key: string, value: unknown): Checked<readonly [cert: string, key: string]> => {
  const first: unknown = Array.isArray(value) && Array.isArray(value[0]) ? value[0] : value
  return Either.flatMap(texts(key, first), (paths) => {
    const [cert, secret = cert] = paths
    if (
      cert === undefined || secret === undefined || paths.length > 2 ||
      (value !== first && (value as Array<unknown>).length > 1)
    ) {
      return wrong(key, "it is one certificate: a file, or a pair of files")
    }
    return Either.right([cert, secret] as const)
  })
}

/** What a table says of an endpoint, files not yet read. */
interface Said {
  readonly endpoint: HostConfig.Endpoint
  readonly ca: ReadonlyArray<string>
  readonly certificate: readonly [cert: string, key: string] | undefined
  readonly skipVerify: boolean
}

/**
 * A path that takes the place of the usual one (`override_path`) is met where a registry has all it mirrors below one of
 * its repositories: `/v2/proxy`.
 */
const overridden = (endpoint: HostConfig.Endpoint): Checked<HostConfig.Endpoint> => {
  const { path = "", ...rest } = endpoint
  const parts = /^(.*?)\/v2(?:\/(.+))?$/.exec(path)
  const prefix = parts?.[2] === undefined ? undefined : RepositoryName.parse(parts[2])
  return parts === null || (prefix !== undefined && Either.isLeft(prefix))
    ? wrong("override_path", "only a path is understood that has /v2 in it, and after it the name of a repository")
    : Either.right({
      ...rest,
      ...(parts[1] === "" ? {} : { path: parts[1]! }),
      ...(prefix === undefined ? {} : { prefix: Either.getOrThrow(prefix) })
    })
}

const endpointKeys = ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"]

const endpointOf = (url: string, table: Table): Checked<Said> =>
  Either.gen(function*() {
    const base = yield* Either.mapLeft(
      HostConfig.fromUrl(url),
      (error): Problem => ({ key: "", reason: error.message })
    )
    const read = <A>(key: string, f: (key: string, value: unknown) => Checked<A>): Checked<A | undefined> =>
      Object.hasOwn(table, key) ? f(key, table[key]) : Either.right(undefined)
    const overrides = (yield* read("override_path", flag)) ?? false
    const place = overrides ? yield* overridden(base) : base
    const able = yield* read("capabilities", capabilities)
    const sent = yield* read("header", headers)
    yield* read("dial_timeout", text)
    return {
      endpoint: {
        ...place,
        ...(able === undefined ? {} : { capabilities: able }),
        ...(sent === undefined ? {} : { headers: sent })
      },
      ca: (yield* read("ca", texts)) ?? [],
      certificate: yield* read("client", certificate),
      skipVerify: (yield* read("skip_verify", flag)) ?? false
    }
  })

const largest = 1024 * 1024

/** Of this host every other has the configuration that has none of its own. */
const others = "_default"

const fileText = (file: string): Read<string, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file)
    if (size > largest) return yield* Effect.fail(new HostsInvalid({ file, reason: "it is larger than 1 MiB" }))
    return yield* fs.readFileString(file)
  }).pipe(Effect.catchTags({
    BadArgument: () => Effect.fail(new HostsInvalid({ file, reason: "it cannot be read" })),
    SystemError: ({ reason }) => Effect.fail(new HostsInvalid({ file, reason: `it cannot be read: ${reason}` }))
  }))

/**
 * What one `hosts.toml` says of a registry. Files that it names, relative to its folder, are read. `host` is the name
 * that references have.
 *
 * Understood are, for the registry itself and for each `[host."URL"]`: `capabilities`, `ca`, `client`, `skip_verify`,
 * `header`, `override_path` (where the path is `/v2` and a repository) and `dial_timeout` (which has no effect), and for
 * the registry `server`. Anything else is an error that names the line.
 *
 * A mirror without `capabilities` may pull and resolve, and is pushed to only where they say so.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  file: string,
  host: string
): Effect.Effect<HostConfig.HostConfig, HostsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const content = yield* fileText(file)
    const invalid = (path: ReadonlyArray<string>) => ({ key, reason }: Problem) =>
      new HostsInvalid({
        file,
        line: lineOf(content, path, key),
        reason: key === "" ? reason : `${printable(key, 80)}: ${reason}`
      })
    const table: Table = yield* Effect.try({
      try: () => parseToml(content),
      catch: (error) =>
        new HostsInvalid({
          file,
          line: error instanceof TomlError ? error.line : undefined,
          reason: "it is no TOML"
        })
    })
    const check = <A>(path: ReadonlyArray<string>, checked: Checked<A>) => Either.mapLeft(checked, invalid(path))
    const only = (path: ReadonlyArray<string>, given: Table, keys: ReadonlyArray<string>) =>
      Effect.forEach(Object.keys(given), (key) =>
        keys.includes(key) ? Effect.void : Effect.fail(invalid(path)({ key, reason: "nobody knows this key" })))

    yield* only([], table, [...endpointKeys, "server", "host"])
    const server = Object.hasOwn(table, "server") ? yield* check([], text("server", table["server"])) : undefined
    const hosts = Object.hasOwn(table, "host") ? table["host"] : {}
    if (!isTable(hosts)) {
      return yield* invalid([])({ key: "host", reason: "it is no table" })
    }
    const folder = file.slice(0, file.lastIndexOf("/") + 1)
    const complete = (said: Said) =>
      withFiles(folder, said)
    const own = yield* Effect.flatMap(check([], endpointOf(server ?? host, table)), complete)
    const mirrors = yield* Effect.forEach(Object.entries(hosts), ([url, given]) =>
      Effect.gen(function*() {
        const path = ["host", url]
        if (!isTable(given)) return yield* invalid(["host"])({ key: url, reason: "it is no table" })
        yield* only(path, given, endpointKeys)
        return yield* Effect.flatMap(check(path, endpointOf(url, given)), complete)
      }))
    const says = server !== undefined || Object.keys(table).some((key) => endpointKeys.includes(key))
    return { mirrors, ...(says && (server !== undefined || host !== others) ? { origin: own } : {}) }
  })

const withFiles = (folder: string, said: Said): Read<HostConfig.Endpoint, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const { ca, certificate, endpoint, skipVerify } = said
    if (ca.length === 0 && certificate === undefined && !skipVerify) return endpoint
    const at = (path: string) => fileText(path.startsWith("/") ? path : `${folder}${path}`)
    const authorities = yield* Effect.forEach(ca, at)
    const pair = certificate === undefined
      ? undefined
      : { cert: yield* at(certificate[0]), key: Redacted.make(yield* at(certificate[1])) }
    return {
      ...endpoint,
      tls: {
        ...(authorities.length === 0 ? {} : { ca: authorities }),
        ...(pair === undefined ? {} : { certificate: pair }),
        ...(skipVerify ? { skipVerify } : {})
      }
    }
  })

/**
 * All registries that a folder of containerd's (`/etc/containerd/certs.d`) configures: one folder each, named like the
 * host, with a `hosts.toml`; `_default` is for the rest.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HostsToml, Resolver } from "@effect-oci/resolver"
 * import { Effect, Layer } from "effect"
 *
 * const resolver = Layer.unwrapEffect(
 *   Effect.map(HostsToml.load("/etc/containerd/certs.d"), (config) => Resolver.layerHosts(config))
 * )
 * ```
 */
export const load = (
  folder: string
): Effect.Effect<HostConfig.Config, HostsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const unreadable = () => new HostsInvalid({ file: folder, reason: "the folder cannot be read" })
    const names = yield* Effect.mapError(fs.readDirectory(folder), unreadable)
    const found: Array<readonly [string, HostConfig.HostConfig]> = []
    for (const name of [...names].sort()) {
      const file = `${folder.replace(/\/+$/, "")}/${name}/hosts.toml`
      if (!(yield* Effect.mapError(fs.exists(file), unreadable))) continue
      // A folder's name cannot have a colon everywhere: `host_5000_` is `host:5000`.
      const host = name === others ? others : name.replace(/_(\d+)_$/, ":$1")
      found.push([host, yield* read(file, host)])
    }
    const rest = found.find(([host]) => host === others)?.[1]
    return {
      hosts: Object.fromEntries(found.filter(([host]) => host !== others)),
      ...(rest === undefined ? {} : { others: rest })
    }
  })

/**
 * The mirrors of Docker Hub that Docker's own configuration (`/etc/docker/daemon.json`) names, as `registry-mirrors`.
 * What else it says is about other things, and left alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const loadDocker = (
  file: string
): Effect.Effect<HostConfig.Config, HostsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const content = yield* fileText(file)
    const json = yield* Effect.try({
      try: (): unknown => JSON.parse(content),
      catch: () => new HostsInvalid({ file, reason: "it is no JSON" })
    })
    if (!isTable(json)) return yield* Effect.fail(new HostsInvalid({ file, reason: "it is no JSON object" }))
    const given = Object.hasOwn(json, "registry-mirrors") ? json["registry-mirrors"] : []
    const urls = yield* Either.mapLeft(
      Array.isArray(given) ? texts("registry-mirrors", given) : wrong("registry-mirrors", "it is no list"),
      ({ key, reason }) => new HostsInvalid({ file, line: jsonLine(content, key), reason: `${key}: ${reason}` })
    )
    const mirrors = yield* Effect.forEach(urls, (url) =>
      Either.mapLeft(HostConfig.fromUrl(url), (error) =>
        new HostsInvalid({
          file,
          line: jsonLine(content, url) ?? jsonLine(content, "registry-mirrors"),
          reason: `registry-mirrors: ${error.message}`
        })))
    return { hosts: { "docker.io": { mirrors } } }
  })

const jsonLine = (content: string, word: string): number | undefined => {
  const at = content.split("\n").findIndex((line) => line.includes(JSON.stringify(word)))
  return at < 0 ? undefined : at + 1
}
