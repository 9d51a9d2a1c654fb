/** Parses the arguments and options of the command, and contains its help. */
import type { SyntaxInvalid } from "@effect-oci/core"
import { Platform } from "@effect-oci/resolver"
import { Data, Duration, Either } from "effect"
import * as os from "node:os"
import { parseArgs } from "node:util"
import * as locations from "./locations.js"
import type { Location } from "./locations.js"

export const usage = "usage: copy [OPTIONS] SOURCE TARGET"

export const help = `${usage}

Copies an image or an artifact between registries, image layouts and archives.

SOURCE and TARGET:
  registry.example.com/team/app:v1      an image in a registry, by tag
  registry.example.com/team/app@sha256:...   ... or by digest
  alpine:3                              an image of Docker Hub
  oci:DIR[:TAG]                         an OCI image layout in a folder
  oci-archive:FILE[:TAG]                an OCI image layout in a tar archive
  docker-archive:FILE[:NAME[:TAG]]      an archive of docker save, for docker load
  A layout or an archive with several images needs the tag, the name or @DIGEST of one.
  Archives may be compressed with gzip or zstd when they are read.

OPTIONS:
  -a, --all               copy an index whole, with the images for all platforms
  --platform OS/ARCH      copy the image for this platform, such as linux/arm64
                          (default: for an index, the image for this machine)
  --referrers             copy signatures, SBOMs and other referrers too
  --require-referrers     the same, and fail if they cannot be read
  --concurrency N         copy at most N blobs at the same time (default: 4)
  --retry-time TIME       how long to wait for a registry in an outage, such as 2m (default: 30s)
  --dry-run               only report what would be copied
  --explain               write nothing, and print each request that the copy would make, with the
                          scopes it needs and the origin of the credentials; reads manifests
  --explain-to FILE       the same, and write the explanation to a file as JSON
  --enforce FILE          copy, and refuse every host and scope that this explanation does not contain
  --plain-http            use HTTP for all registries (default: for localhost only)
  --tls                   use HTTPS for all registries, localhost too
  -h, --help              show this help
  --version               show the version

Credentials are those of docker login and podman login. Proxies are those of HTTPS_PROXY and NO_PROXY.
The exit code is 0 if all was copied, 1 after a failure, 2 after a wrong argument, 130 after Ctrl-C.`

/** The error for an argument that is missing, unknown or not valid. */
export class WrongArguments extends Data.TaggedError("WrongArguments")<{ readonly message: string }> {}

export interface Given {
  readonly source: Location
  readonly target: Location
  readonly all: boolean
  /** The value of `--platform`. */
  readonly platform: Platform.Platform | undefined
  readonly withoutReferrers: boolean
  readonly requireReferrers: boolean
  readonly concurrency: number
  readonly retryTime: Duration.Duration
  readonly dryRun: boolean
  /** Whether to explain the copy, and the file for the explanation. */
  readonly explain: { readonly file: string | undefined } | undefined
  /** The file with the explanation that the copy is held to. */
  readonly enforce: string | undefined
  /** Returns whether to use plain HTTP for a host. Default: only for localhost. */
  readonly plainHttp: ((host: string) => boolean) | undefined
}

export type Parsed = { readonly _tag: "Help" | "Version" } | { readonly _tag: "Copy"; readonly given: Given }

/** The platform of containers on this machine. On macOS they run in a Linux machine. */
export const here: Platform.Platform = Platform.normalize({
  os: process.platform === "win32" ? "windows" : "linux",
  architecture: os.arch() === "x64" ? "amd64" : os.arch()
})

const wrong = (message: string) => Either.left(new WrongArguments({ message }))

const flags = {
  all: { type: "boolean", short: "a" },
  platform: { type: "string" },
  referrers: { type: "boolean" },
  "require-referrers": { type: "boolean" },
  concurrency: { type: "string" },
  "retry-time": { type: "string" },
  "dry-run": { type: "boolean" },
  explain: { type: "boolean" },
  "explain-to": { type: "string" },
  enforce: { type: "string" },
  "plain-http": { type: "boolean" },
  tls: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" }
} as const

const integer = (option: string, text: string): Either.Either<number, WrongArguments> =>
  /^[1-9]\d{0,5}$/.test(text)
    ? Either.right(Number(text))
    : wrong(`${option} must be a whole number of at least 1, not "${text}"`)

const units = { "": "seconds", ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

const duration = (option: string, text: string): Either.Either<Duration.Duration, WrongArguments> => {
  const [, amount, unit] = /^(\d{1,9})(|ms|s|m|h)$/.exec(text) ?? []
  return amount === undefined
    ? wrong(`${option} must be a time such as 30s or 2m, not "${text}"`)
    : Either.right(Duration.decode(`${Number(amount)} ${units[unit as keyof typeof units]}`))
}

const read = (args: ReadonlyArray<string>) =>
  Either.try({
    try: () => parseArgs({ args: [...args], options: flags, allowPositionals: true }),
    // Only the first sentence of Node's message: the second one explains arguments that begin with a dash.
    catch: (error) => new WrongArguments({ message: (error as Error).message.split(". ")[0]! })
  })

export const parse = (args: ReadonlyArray<string>): Either.Either<Parsed, WrongArguments | SyntaxInvalid> =>
  Either.gen(function*() {
    const { positionals, values } = yield* read(args)
    if (values.help === true) return { _tag: "Help" as const }
    if (values.version === true) return { _tag: "Version" as const }
    const [from, to, ...others] = positionals
    if (from === undefined) return yield* wrong("SOURCE and TARGET are missing")
    if (to === undefined) return yield* wrong("TARGET is missing")
    if (others.length > 0) {
      return yield* wrong(`there are ${positionals.length} arguments; only SOURCE and TARGET are allowed`)
    }
    if (values["plain-http"] === true && values.tls === true) {
      return yield* wrong("--plain-http and --tls exclude each other")
    }
    if (values.all === true && values.platform !== undefined) {
      return yield* wrong("--all and --platform exclude each other")
    }
    const explain = values.explain === true || values["explain-to"] !== undefined
    if (explain && (values["dry-run"] === true || values.enforce !== undefined)) {
      return yield* wrong("--explain excludes --dry-run and --enforce")
    }
    const source = yield* locations.parse(from)
    const target = yield* locations.parse(to)
    if (values.all === true && target._tag === "Docker") {
      return yield* wrong("docker-archive: contains images for one platform; leave out --all, or use oci-archive:")
    }
    const given: Given = {
      source,
      target,
      all: values.all ?? false,
      platform: values.platform === undefined
        ? undefined
        : yield* Platform.parse(values.platform),
      withoutReferrers: values.referrers !== true && values["require-referrers"] !== true,
      requireReferrers: values["require-referrers"] ?? false,
      concurrency: yield* integer("--concurrency", values.concurrency ?? "4"),
      retryTime: yield* duration("--retry-time", values["retry-time"] ?? "30s"),
      dryRun: values["dry-run"] ?? false,
      explain: explain ? { file: values["explain-to"] } : undefined,
      enforce: values.enforce,
      plainHttp: values["plain-http"] === true ? () => true : values.tls === true ? () => false : undefined
    }
    return { _tag: "Copy" as const, given }
  })
