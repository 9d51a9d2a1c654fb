import { printable, RepositoryName } from "@effect-oci/core"
import type { Union } from "@effect-oci/middleware"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as HostConfig from "../HostConfig.js"
import { fromUrl } from "../HostConfig.js"
import { goDuration } from "./goDuration.js"

/** The reason why a key of a table cannot be used. */
export interface Problem {
  readonly key: string
  readonly reason: string
}

export type Table = { readonly [key: string]: unknown }

export type Checked<A> = Either.Either<A, Problem>

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

export const wrong = (key: string, reason: string) => Either.left<Problem>({ key, reason })

export const string = (key: string, value: unknown): Checked<string> =>
  typeof value === "string" ? Either.right(value) : wrong(key, "must be a string")

const boolean = (key: string, value: unknown): Checked<boolean> =>
  typeof value === "boolean" ? Either.right(value) : wrong(key, "must be true or false")

export const strings = (key: string, value: unknown): Checked<ReadonlyArray<string>> =>
  Array.isArray(value)
    ? Either.all(value.map((each) => string(key, each)))
    : wrong(key, "must be a list of strings")

const stringOrList = (key: string, value: unknown): Checked<ReadonlyArray<string>> =>
  typeof value === "string"
    ? Either.right([value])
    : Either.mapLeft(strings(key, value), () => ({ key, reason: "must be a string or a list of strings" }))

const known: ReadonlySet<string> = new Set<Union.Capability>(["pull", "resolve", "push", "referrers"])

/** Parses capabilities. An empty list means all capabilities. */
const capabilities = (key: string, value: unknown): Checked<ReadonlyArray<Union.Capability>> =>
  Either.flatMap(strings(key, value), (names) => {
    const lowered = names.map((name) => name.toLowerCase())
    const unknown = names.find((_, index) => !known.has(lowered[index]!))
    if (unknown !== undefined) {
      return wrong(key, `"${printable(unknown, 40)}" is unknown; use pull, resolve, push or referrers`)
    }
    return Either.right(
      lowered.length === 0 ? [...known] as Array<Union.Capability> : lowered as Array<Union.Capability>
    )
  })

const headers = (key: string, value: unknown): Checked<{ readonly [name: string]: Redacted.Redacted }> =>
  isTable(value)
    ? Either.map(
      Either.all(
        Object.entries(value).map(([name, given]) =>
          Either.map(stringOrList(`${key}.${name}`, given), (all) => [name, Redacted.make(all.join(", "))] as const)
        )
      ),
      (all) => Object.fromEntries(all)
    )
    : wrong(key, "must be a table")

/** The files of a certificate and its private key, which may be the same file. */
export type CertificateFiles = readonly [cert: string, key: string]

/** Parses one file with a certificate and its key, a list of such files, or a list of pairs of files. */
const certificates = (key: string, value: unknown): Checked<ReadonlyArray<CertificateFiles>> => {
  const one = (given: unknown): Checked<CertificateFiles> => {
    if (typeof given === "string") return Either.right([given, given])
    const [cert, secret, ...more]: ReadonlyArray<unknown> = Array.isArray(given) ? given : []
    return typeof cert === "string" && typeof secret === "string" && more.length === 0
      ? Either.right([cert, secret === "" ? cert : secret])
      : wrong(key, "must be a file, a list of files, or a list of pairs of a certificate file and a key file")
  }
  return Array.isArray(value) ? Either.all(value.map(one)) : Either.map(one(value), (only) => [only])
}

const timeout = (key: string, value: unknown): Checked<number | undefined> =>
  Either.flatMap(string(key, value), (text) => {
    if (text === "") return Either.right(undefined)
    const millis = goDuration(text)
    return millis === undefined ? wrong(key, "must be a duration, such as 5s or 1m30s") : Either.right(millis)
  })

/** The settings of an endpoint in a table. The files that it names are not read yet. */
export interface Parsed {
  readonly endpoint: Partial<HostConfig.Endpoint>
  readonly ca: ReadonlyArray<string>
  readonly certificates: ReadonlyArray<CertificateFiles>
  readonly skipVerify: boolean
}

/** The keys of an endpoint. */
export const keys = ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"]

/** Returns the value of a key. As in containerd, the case of letters is ignored if no key matches exactly. */
export const member = (table: Table, name: string): unknown => {
  if (Object.hasOwn(table, name)) return table[name]
  const key = Object.keys(table).find((key) => key.toLowerCase() === name)
  return key === undefined ? undefined : table[key]
}

/**
 * Sets the path of the API. Without `override_path` the API is at `/v2` below the path; a `/v2` at the end of the path is
 * ignored. With `override_path` the path is the root of the API. A root such as `/v2/proxy` means that `proxy` is a prefix
 * of all repositories.
 */
const place = (
  { path = "", ...endpoint }: HostConfig.Endpoint,
  overridePath: boolean
): HostConfig.Endpoint => {
  const below = (path: string) => path === "" ? endpoint : { ...endpoint, path }
  if (!overridePath) return below(path.replace(/\/v2$/, ""))
  const [, before, after] = /^(.*?)\/v2(?:\/(.+))?$/.exec(path) ?? []
  if (before === undefined) return { ...endpoint, apiPath: path }
  if (after === undefined) return below(before)
  return Either.match(RepositoryName.parse(after), {
    onLeft: () => ({ ...endpoint, apiPath: path }),
    onRight: (prefix) => ({ ...below(before), prefix })
  })
}

/** Parses the table of the host at a URL, or of the registry itself if there is no URL. */
export const parse = (url: string | undefined, table: Table): Checked<Parsed> =>
  Either.gen(function*() {
    const read = <A>(key: string, f: (key: string, value: unknown) => Checked<A>): Checked<A | undefined> => {
      const value = member(table, key)
      return value === undefined ? Either.right(undefined) : f(key, value)
    }
    const base = url === undefined
      ? undefined
      : yield* Either.mapLeft(fromUrl(url), (error): Problem => ({ key: "", reason: error.message }))
    const overridePath = (yield* read("override_path", boolean)) ?? false
    const allowed = yield* read("capabilities", capabilities)
    const sent = yield* read("header", headers)
    const connectTimeout = yield* read("dial_timeout", timeout)
    return {
      endpoint: {
        ...(base === undefined ? {} : place(base, overridePath)),
        ...(allowed === undefined ? {} : { capabilities: allowed }),
        ...(sent === undefined ? {} : { headers: sent }),
        ...(connectTimeout === undefined ? {} : { connectTimeout })
      },
      ca: (yield* read("ca", stringOrList)) ?? [],
      certificates: (yield* read("client", certificates)) ?? [],
      skipVerify: (yield* read("skip_verify", boolean)) ?? false
    }
  })
