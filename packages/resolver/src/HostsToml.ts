/**
 * Reads the configuration of hosts in the formats of containerd and Docker.
 *
 * @since 0.1.0
 */
import { printable } from "@effect-oci/core"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parse as parseToml, TomlError } from "smol-toml"
import * as HostConfig from "./HostConfig.js"
import * as hostsTable from "./internal/hostsTable.js"
import type { CertificateFiles, Parsed, Problem, Table } from "./internal/hostsTable.js"
import { lineOf } from "./internal/tomlLines.js"

/**
 * The error for a file that cannot be used. The message contains the file, the line and the reason. It contains no secrets
 * of the file, such as the values of headers.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostsInvalid extends Data.TaggedError("OciHostsInvalid")<{
  readonly file: string
  readonly line?: number | undefined
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}${this.line === undefined ? "" : `:${this.line}`}: ${this.reason}`
  }
}

type Read<A, R = never> = Effect.Effect<A, HostsInvalid, R>

const largest = 1024 * 1024

/** The folder for all registries that have no folder of their own. */
const others = "_default"

const fileText = (file: string): Read<string, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file)
    if (size > largest) return yield* Effect.fail(new HostsInvalid({ file, reason: "the file is larger than 1 MiB" }))
    return yield* fs.readFileString(file)
  }).pipe(Effect.catchTags({
    BadArgument: () => Effect.fail(new HostsInvalid({ file, reason: "the file cannot be read" })),
    SystemError: ({ reason }) => Effect.fail(new HostsInvalid({ file, reason: `the file cannot be read: ${reason}` }))
  }))

/** Reads the certificates of an endpoint. A problem names the key that contains the path of the file. */
const withFiles = (
  at: (path: string) => string,
  { ca, certificates, endpoint, skipVerify }: Parsed
): Effect.Effect<Partial<HostConfig.Endpoint>, Problem, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    if (ca.length === 0 && certificates.length === 0 && !skipVerify) return endpoint
    const read = (key: string) => (path: string) =>
      Effect.mapError(fileText(at(path)), ({ file, reason }) => ({ key, reason: `${file}: ${reason}` }))
    const authorities = yield* Effect.forEach(ca, read("ca"))
    const pairs = yield* Effect.forEach(certificates, ([cert, key]) =>
      Effect.zipWith(
        read("client")(cert),
        read("client")(key),
        (cert, key) => ({ cert, key: Redacted.make(key) })
      ))
    return {
      ...endpoint,
      tls: {
        ...(authorities.length === 0 ? {} : { ca: authorities }),
        ...(pairs.length === 0 ? {} : { certificates: pairs }),
        ...(skipVerify ? { skipVerify } : {})
      }
    }
  })

/**
 * Reads a `hosts.toml` of containerd, as containerd reads it, and the files that it names. Relative paths start at the
 * folder of the file.
 *
 * - The keys at the top of the file configure the registry itself, at `server`. Default for `server`: the registry's own
 *   address.
 * - Each `[host."URL"]` configures a mirror. The resolver tries mirrors in the order of the file.
 * - Both have the keys `capabilities`, `ca`, `client`, `skip_verify`, `header`, `override_path` and `dial_timeout`. An
 *   unknown key is ignored, with a warning in the log.
 * - A host without `capabilities` has all capabilities of containerd: `pull`, `resolve`, `push` and `referrers`. A mirror
 *   that must not receive pushes needs `capabilities`. Deletes go to the registry itself, if it accepts pushes.
 *
 * Fails with `HostsInvalid`, which contains the file and the line, if a value cannot be used.
 *
 * See [containerd's documentation](https://github.com/containerd/containerd/blob/main/docs/hosts.md).
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  file: string
): Effect.Effect<HostConfig.HostConfig, HostsInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const content = yield* fileText(file)
    const placed = (path: ReadonlyArray<string>, { key, reason }: Problem) => ({
      file,
      line: lineOf(content, path, key),
      reason: key === "" ? reason : `${printable(key, 80)}: ${reason}`
    })
    const invalid = (path: ReadonlyArray<string>) => (problem: Problem) => new HostsInvalid(placed(path, problem))
    const table: Table = yield* Effect.try({
      try: () => parseToml(content),
      catch: (error) =>
        new HostsInvalid({
          file,
          line: error instanceof TomlError ? error.line : undefined,
          reason: "the file is not valid TOML"
        })
    })
    const warnUnknown = (path: ReadonlyArray<string>, given: Table, keys: ReadonlyArray<string>) =>
      Effect.forEach(Object.keys(given), (key) =>
        keys.includes(key.toLowerCase())
          ? Effect.void
          : Effect.logWarning(new HostsInvalid(placed(path, { key, reason: "unknown key, ignored" })).message))
    const at = (path: string) => path.startsWith("/") ? path : `${file.slice(0, file.lastIndexOf("/") + 1)}${path}`
    const endpoint = (path: ReadonlyArray<string>, url: string | undefined, given: unknown) =>
      Effect.mapError(
        Effect.flatMap(hostsTable.parse(url, given), (parsed) => withFiles(at, parsed)),
        invalid(path)
      )

    yield* warnUnknown([], table, [...hostsTable.endpointKeys, ...Object.keys(hostsTable.FileTable.fields)])
    const { host = {}, server = "" } = yield* Either.mapLeft(
      hostsTable.decode(hostsTable.FileTable, table),
      invalid([])
    )
    const mirrors = yield* Effect.forEach(Object.entries(host), ([url, given]) =>
      Effect.gen(function*() {
        const path = ["host", url]
        const mirror = yield* endpoint(path, url, given)
        yield* warnUnknown(path, given as Table, hostsTable.endpointKeys)
        return { capabilities: fromContainerd, ...mirror as HostConfig.Endpoint }
      }))
    const itself = yield* endpoint([], server === "" ? undefined : server, table)
    const { capabilities } = itself
    const origin = {
      ...itself,
      ...(capabilities?.includes("push") === true ? { capabilities: [...capabilities, "delete" as const] } : {}),
      // A server at another address receives the name of the registry, in `ns`.
      ...(itself.host === undefined ? {} : { namespace: true })
    }
    return { mirrors, ...(Object.keys(origin).length === 0 ? {} : { origin }) }
  })

const fromContainerd: NonNullable<HostConfig.Endpoint["capabilities"]> = ["pull", "resolve", "push", "referrers"]

/**
 * Reads the certificates of a folder without a `hosts.toml`, as containerd and Docker do: each `*.crt` is an authority,
 * each `*.cert` a client's certificate, whose key is the `*.key` of the same name or is in the same file.
 */
const certificates = (folder: string): Read<HostConfig.HostConfig, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const unreadable = () => new HostsInvalid({ file: folder, reason: "the folder cannot be read" })
    const names = (yield* Effect.mapError(fs.readDirectory(folder), unreadable)).sort()
    const ca = names.filter((name) => name.endsWith(".crt"))
    const pairs = names.filter((name) => name.endsWith(".cert")).map((name): CertificateFiles => {
      const key = `${name.slice(0, -".cert".length)}.key`
      return [name, names.includes(key) ? key : name]
    })
    if (ca.length === 0 && pairs.length === 0) return {}
    const origin = yield* Effect.mapError(
      withFiles((name) => `${folder}/${name}`, { endpoint: {}, ca, certificates: pairs, skipVerify: false }),
      ({ reason }) => new HostsInvalid({ file: folder, reason })
    )
    return { origin }
  })

/** Reads the folder of one registry. A problem makes only this registry fail. */
const readFolder = (folder: string): Effect.Effect<HostConfig.HostConfig, never, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const file = `${folder}/hosts.toml`
    const size = yield* fs.stat(file).pipe(
      Effect.map((info) => Number(info.size)),
      Effect.catchAll((error) =>
        error._tag === "SystemError" && error.reason === "NotFound"
          ? Effect.succeed(0)
          : Effect.fail(new HostsInvalid({ file, reason: "the file cannot be read" }))
      )
    )
    return yield* size === 0 ? certificates(folder) : read(file)
  }).pipe(Effect.catchAll(({ message }) => Effect.succeed({ problem: message })))

/**
 * Reads the settings of all registries in a folder: containerd's `/etc/containerd/certs.d` or Docker's
 * `/etc/docker/certs.d`. Each registry has a folder, which is named `host`, `host:port` or `host_port_`. It contains a
 * `hosts.toml` (see {@link read}), or only certificates: `*.crt` for authorities, `*.cert` and `*.key` for the client. The
 * folder `_default` is for all registries that have no folder.
 *
 * If a folder cannot be used, only its own registry fails, at the first request for the registry: with `HostUnknown`, which
 * contains the file and the line. `load` itself fails only if `folder` cannot be read.
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
    const root = folder.replace(/(?<=.)\/+$/, "")
    const unreadable = () => new HostsInvalid({ file: folder, reason: "the folder cannot be read" })
    const names = yield* Effect.mapError(fs.readDirectory(folder), unreadable)
    const hosts = new Map<string, HostConfig.HostConfig>()
    for (const name of [...names].sort()) {
      const path = `${root}/${name}`
      const isFolder = yield* Effect.orElseSucceed(Effect.map(fs.stat(path), ({ type }) => type === "Directory"), () =>
        false)
      if (!isFolder) {
        continue
      }
      // Not every file system allows a colon in a name: `host_5000_` is `host:5000`, and comes first.
      const host = name.replace(/_(\d+)_$/, ":$1")
      if (host !== name || !hosts.has(host)) {
        hosts.set(host, yield* readFolder(path))
      }
    }
    const rest = hosts.get(others)
    hosts.delete(others)
    return { hosts: Object.fromEntries(hosts), ...(rest === undefined ? {} : { others: rest }) }
  })

const DaemonJson = Schema.Struct({ "registry-mirrors": Schema.optional(hostsTable.Texts) })

/**
 * Reads the mirrors of Docker Hub from Docker's own configuration, `/etc/docker/daemon.json`: its `registry-mirrors`.
 * All other keys are ignored.
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
      catch: () => new HostsInvalid({ file, reason: "the file is not valid JSON" })
    })
    const { "registry-mirrors": urls = [] } = yield* Either.mapLeft(
      hostsTable.decode(DaemonJson, json),
      ({ key, reason }) =>
        key === ""
          ? new HostsInvalid({ file, reason: "the file is not a JSON object" })
          : new HostsInvalid({ file, line: jsonLine(content, key), reason: `${key}: ${reason}` })
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
