/**
 * The suite as a command-line program, on Node: `effect-oci-conformance http://localhost:5000`.
 *
 * @since 0.1.0
 */
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Args from "@effect/cli/Args"
import type * as CliApp from "@effect/cli/CliApp"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import { createRequire } from "node:module"
import * as Conformance from "./Conformance.js"
import * as Report from "./Report.js"
import { everything, Wire } from "./Target.js"
import type { Capabilities } from "./Target.js"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** The suite cannot run. The message is one line. */
class Unable extends Data.TaggedError("Unable")<{ readonly message: string }> {}

const unable = (message: string) => Effect.fail(new Unable({ message }))

type Capability = Exclude<keyof Capabilities, "version">

const capabilities = Object.keys(everything).filter((name): name is Capability => name !== "version")

const originOf = (text: string): Effect.Effect<string, Unable> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return unable(`"${text}" is not the URL of a registry; pass a URL such as http://localhost:5000`)
  }
  if (url.username !== "" || url.password !== "") {
    return unable("the URL contains credentials, which the program cannot send; remove them")
  }
  return url.pathname === "/" && url.search === "" && url.hash === ""
    ? Effect.succeed(url.origin)
    : unable(`"${text}" has a path; pass only the scheme, host and port, because the program adds /v2/`)
}

const withoutOf = (texts: ReadonlyArray<string>): Effect.Effect<Partial<Capabilities>, Unable> => {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim()).filter((name) => name !== "")
  const unknown = names.find((name) => !capabilities.some((capability) => capability === name))
  return unknown === undefined
    ? Effect.succeed(Object.fromEntries(names.map((name) => [name, false])))
    : unable(`--without ${unknown}: there is no such capability; pass one or more of ${capabilities.join(",")}`)
}

const skipOf = (reasons: { readonly [id: string]: string }): Effect.Effect<typeof reasons, Unable> => {
  const unknown = Object.keys(reasons).find((id) => !Conformance.checks.some((check) => check.id === id))
  return unknown === undefined
    ? Effect.succeed(reasons)
    : unable(`--skip ${unknown}: there is no check with this id; --json prints the ids of all checks`)
}

const namespaceOf = (text: string): Effect.Effect<string, Unable> =>
  Either.match(RepositoryName.parse(text), {
    onLeft: ({ message }) => unable(`--namespace: ${message}`),
    onRight: Effect.succeed
  })

/**
 * Fails if no registry answers, or if it requires credentials. Otherwise every check would fail for the same reason.
 */
const ensureRegistry = (origin: string) =>
  Effect.gen(function*() {
    const wire = yield* Wire
    const noAnswer = (reason: string) =>
      new Unable({ message: `no registry answers at ${origin} (${reason}); check the URL` })
    const { status } = yield* wire.send({ method: "GET", path: "/v2/" }).pipe(
      Effect.mapError(({ reason }) => noAnswer(reason)),
      Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => noAnswer("no response in 10 seconds") })
    )
    if (status === 401) {
      return yield* unable(`the registry at ${origin} answered GET /v2/ with 401; the program cannot send credentials`)
    }
    if (status !== 200) {
      return yield* unable(`${origin} is not a registry: it answered GET /v2/ with ${status}; check the URL`)
    }
  })

const options = {
  url: Args.text({ name: "url" }).pipe(
    Args.withDescription("The URL of the registry, for example http://localhost:5000")
  ),
  spec: Options.choice("spec", ["1.1", "dev"]).pipe(
    Options.withDefault("1.1" as const),
    Options.withDescription(
      "The version of the distribution spec. Rules that are newer than 1.1 are checked only with dev. Default: 1.1"
    )
  ),
  without: Options.text("without").pipe(
    Options.repeated,
    Options.withDescription(
      `Capabilities that the registry does not support, separated by commas: ${capabilities.join(", ")}`
    )
  ),
  skip: Options.keyValueMap("skip").pipe(
    Options.withDefault(HashMap.empty<string, string>()),
    Options.withDescription("A check to skip, and the reason: --skip tags-n=broken")
  ),
  namespace: Options.text("namespace").pipe(
    Options.withDefault("conformance"),
    Options.withDescription(
      "The first part of the names of the repositories that the checks create. Default: conformance"
    )
  ),
  concurrency: Options.integer("concurrency").pipe(
    Options.withDefault(4),
    Options.withDescription("The number of checks that run at the same time. Default: 4")
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print the report as JSON")),
  strict: Options.boolean("strict").pipe(Options.withDescription("Exit with 1 also if a should check fails"))
}

const program = (settings: {
  readonly url: string
  readonly spec: "1.1" | "dev"
  readonly without: ReadonlyArray<string>
  readonly skip: HashMap.HashMap<string, string>
  readonly namespace: string
  readonly concurrency: number
  readonly json: boolean
  readonly strict: boolean
}): Effect.Effect<number, Unable, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const origin = yield* originOf(settings.url)
    const without = yield* withoutOf(settings.without)
    const skip = yield* skipOf(Object.fromEntries(HashMap.toEntries(settings.skip)))
    const namespace = yield* namespaceOf(settings.namespace)
    const report = yield* Effect.zipRight(
      ensureRegistry(origin),
      Conformance.run({
        capabilities: { ...without, version: settings.spec },
        skip,
        namespace,
        concurrency: Math.max(1, settings.concurrency)
      })
    ).pipe(Effect.provide(Conformance.layerUrl(origin)))
    yield* Console.log(settings.json ? JSON.stringify(Report.toJson(report), null, 2) : Report.toText(report))
    const hasFailed = Report.failures(report, "must").length > 0 ||
      (settings.strict && Report.failures(report, "should").length > 0)
    return hasFailed ? 1 : 0
  })

/**
 * Runs the program with the arguments of a process (`process.argv`: the first two are ignored), and returns its exit
 * code: 0 if no must check failed, 1 if one failed (with `--strict`, also if a should check failed), 2 if the suite
 * could not run.
 *
 * @since 0.1.0
 * @category running
 */
export const run = (
  args: ReadonlyArray<string>
): Effect.Effect<number, never, HttpClient.HttpClient | CliApp.CliApp.Environment> =>
  Effect.suspend(() => {
    let exitCode = 0
    const command = Command.make("effect-oci-conformance", options, (settings) =>
      Effect.map(program(settings), (code) => {
        exitCode = code
      })).pipe(
        Command.withDescription(
          "Checks a registry against the OCI distribution spec. The checks create repositories and delete their content."
        )
      )
    const cli = Command.run(command, { name: "effect-oci-conformance", version })
    return cli(args).pipe(
      Effect.map(() =>
        exitCode
      ),
      Effect.catchAll((error) =>
        error._tag === "Unable" ? Effect.as(Console.error(error.message), 2) : Effect.succeed(2)
      )
    )
  })

/**
 * Runs the program with the arguments of this process, and sets the exit code of the process.
 *
 * @since 0.1.0
 * @category running
 */
export const main: Effect.Effect<void> = run(process.argv).pipe(
  Effect.map((exitCode) => {
    process.exitCode = exitCode
  }),
  Effect.provide(Layer.merge(NodeHttpClient.layerUndici, NodeContext.layer))
)
