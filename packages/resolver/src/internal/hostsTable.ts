import { printable, RepositoryName } from "@effect-oci/core"
import type * as Union from "@effect-oci/middleware/Union"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as HostConfig from "../HostConfig.js"
import { fromUrl } from "../HostConfig.js"
import { goDuration } from "./goDuration.js"

/** The reason why a key of a table cannot be used. The key is empty for the table itself. */
export interface Problem {
  readonly key: string
  readonly reason: string
}

export type Table = { readonly [key: string]: unknown }

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** Replaces the message of a schema, which contains the value: it may be a secret. */
const must = (be: string) => ({ message: () => ({ message: `must be ${be}`, override: true }) })

const Text = Schema.String.annotations(must("a string"))
export const Texts = Schema.Array(Schema.String).annotations(must("a list of strings"))
const TextOrTexts = Schema.Union(Schema.String, Texts).annotations(must("a string or a list of strings"))
const Flag = Schema.Boolean.annotations(must("true or false"))
const AnyTable = Schema.declare(isTable).annotations(must("a table"))

const known: ReadonlyArray<Union.Capability> = ["pull", "resolve", "push", "referrers"]
const isKnown = (name: string): name is Union.Capability => known.some((each) => each === name)

const Capabilities = Texts.pipe(Schema.filter((names) => {
  const unknown = names.find((name) => !isKnown(name.toLowerCase()))
  return unknown === undefined || `"${printable(unknown, 40)}" is unknown; use pull, resolve, push or referrers`
}))

const Timeout = Text.pipe(
  Schema.filter((text) => text === "" || goDuration(text) !== undefined || "must be a duration, such as 5s or 1m30s")
)

/** One file with a certificate and its key, a list of such files, or a list of pairs of files. */
const Certificates = Schema.Union(
  Schema.String,
  Schema.Array(Schema.Union(Schema.String, Schema.Tuple(Schema.String, Schema.String)))
).annotations(must("a file, a list of files, or a list of pairs of a certificate file and a key file"))

const EndpointTable = Schema.Struct({
  capabilities: Schema.optional(Capabilities),
  ca: Schema.optional(TextOrTexts),
  client: Schema.optional(Certificates),
  skip_verify: Schema.optional(Flag),
  header: Schema.optional(
    AnyTable.pipe(Schema.compose(Schema.Record({ key: Schema.String, value: TextOrTexts }), { strict: false }))
  ),
  override_path: Schema.optional(Flag),
  dial_timeout: Schema.optional(Timeout)
})

/** The keys at the top of a file, in addition to the keys of an endpoint. */
export const FileTable = Schema.Struct({
  server: Schema.optional(Text),
  host: Schema.optional(AnyTable)
})

/** The keys of an endpoint. */
export const endpointKeys: ReadonlyArray<string> = Object.keys(EndpointTable.fields)

/** Decodes a table. As in containerd, the case of a key is ignored if no key matches exactly. */
export const decode = <A, I>(schema: Schema.Schema<A, I>, table: unknown): Either.Either<A, Problem> => {
  if (!isTable(table)) return Either.left({ key: "", reason: "must be a table" })
  const lowered = Object.fromEntries(Object.entries(table).map(([key, value]) => [key.toLowerCase(), value]))
  return Either.mapLeft(Schema.decodeUnknownEither(schema)({ ...lowered, ...table }), (error) => {
    const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
    return { key: issue!.path.join("."), reason: issue!.message }
  })
}

/** The files of a certificate and its private key, which may be the same file. */
export type CertificateFiles = readonly [cert: string, key: string]

/** The settings of an endpoint in a table. The files that it names are not read yet. */
export interface Parsed {
  readonly endpoint: Partial<HostConfig.Endpoint>
  readonly ca: ReadonlyArray<string>
  readonly certificates: ReadonlyArray<CertificateFiles>
  readonly skipVerify: boolean
}

/** Returns capabilities in lower case. An empty list means all capabilities. */
const capabilitiesOf = (names: ReadonlyArray<string>): ReadonlyArray<Union.Capability> =>
  names.length === 0 ? known : names.map((name) => name.toLowerCase()).filter(isKnown)

const headersOf = (header: { readonly [name: string]: string | ReadonlyArray<string> }) =>
  Object.fromEntries(
    Object.entries(header).map(([name, values]) => [name, Redacted.make(Arr.ensure(values).join(", "))])
  )

/**
 * Sets the path of the API. Without `override_path` the API is at `/v2` below the path; a `/v2` at the end of the path is
 * ignored. With `override_path` the path is the root of the API. A root such as `/v2/proxy` means that `proxy` is a prefix
 * of all repositories.
 */
const withPath = (
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
export const parse = (url: string | undefined, table: unknown): Either.Either<Parsed, Problem> =>
  Either.gen(function*() {
    const base = url === undefined
      ? undefined
      : yield* Either.mapLeft(fromUrl(url), (error): Problem => ({ key: "", reason: error.message }))
    const given = yield* decode(EndpointTable, table)
    const connectTimeout = goDuration(given.dial_timeout ?? "")
    return {
      endpoint: {
        ...(base === undefined ? {} : withPath(base, given.override_path ?? false)),
        ...(given.capabilities === undefined ? {} : { capabilities: capabilitiesOf(given.capabilities) }),
        ...(given.header === undefined ? {} : { headers: headersOf(given.header) }),
        ...(connectTimeout === undefined ? {} : { connectTimeout })
      },
      ca: Arr.ensure(given.ca ?? []),
      certificates: Arr.ensure(given.client ?? []).map((file): CertificateFiles => {
        const [cert, key] = typeof file === "string" ? [file, ""] : file
        return [cert, key === "" ? cert : key]
      }),
      skipVerify: given.skip_verify ?? false
    }
  })
