/**
 * The command `effect-oci-store`, which works on the directory of a registry.
 *
 * @since 0.1.0
 */
import { ReferenceSet, RepositoryName } from "@effect-oci/core"
import { Backup, Durable } from "@effect-oci/durable"
import * as Args from "@effect/cli/Args"
import type * as CliApp from "@effect/cli/CliApp"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { createRequire } from "node:module"
import { check } from "./internal/check.js"
import * as collect from "./internal/collect.js"
import * as layouts from "./internal/layouts.js"
import { Refused, registryIn } from "./internal/refused.js"
import { stats } from "./internal/stats.js"
import * as terminal from "./internal/terminal.js"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

const directory = Args.text({ name: "directory" }).pipe(
  Args.withDescription("The directory of the registry, for example ./data")
)

const target = (description: string) => Args.text({ name: "target" }).pipe(Args.withDescription(description))

const duration = (name: string) =>
  Options.mapEffect(Options.text(name), (text) =>
    Either.fromOption(
      Duration.decodeUnknown(text),
      () => ValidationError.invalidValue(HelpDoc.p(`--${name} ${text}: expected a duration such as "24 hours"`))
    ))

const repository = Options.text("repository")

/** Opens the registry in a directory that exists. Only an import creates a registry. */
const existing = <A, E, R>(directory: string, layer: Layer.Layer<A, E, R>) =>
  Layer.flatMap(Layer.effectDiscard(registryIn(directory)), () => layer)

const reader = (directory: string) => existing(directory, Durable.layerReader({ directory }))
const writer = (directory: string) => existing(directory, Durable.layerStores({ directory }))

const parsed = (name: string) => Effect.mapError(RepositoryName.parse(name), ({ message }) => new Refused({ message }))

const inspect = Command.make(
  "stats",
  { directory },
  ({ directory }) => Effect.provide(Effect.scoped(stats), reader(directory))
).pipe(
  Command.withDescription("Counts repositories, tags, manifests and blobs. The registry may run meanwhile")
)

const checkContent = Command.make("check", {
  directory,
  rate: Options.integer("rate").pipe(
    Options.optional,
    Options.withDescription("How many MiB are read in a second. Default: no limit")
  ),
  discard: Options.boolean("discard").pipe(
    Options.withDescription("Discard damaged blobs, so that a push stores them again. The registry must be stopped")
  )
}, ({ directory, discard, rate }) =>
  Effect.gen(function*() {
    const bytesPerSecond = Option.getOrUndefined(Option.map(rate, (mebibytes) => mebibytes * 1024 ** 2))
    const isDamaged = yield* check({ bytesPerSecond, discard }).pipe(
      Effect.scoped,
      Effect.provide(discard ? writer(directory) : reader(directory))
    )
    if (isDamaged) process.exitCode = 1
  })).pipe(
    Command.withDescription(
      "Hashes all content, and prints what is corrupt or missing, and the images that it affects. The registry may run"
    )
  )

const gc = Command.make(
  "gc",
  {
    directory,
    grace: duration("grace").pipe(
      Options.withDefault(Duration.hours(24)),
      Options.withDescription("How long content is kept that nothing refers to. Default: \"24 hours\"")
    ),
    untagged: Options.choice("untagged", ["keep", "delete"]).pipe(
      Options.withDefault("keep" as const),
      Options.withDescription("What happens to manifests without a tag, a parent and a subject. Default: keep")
    )
  },
  ({ directory, grace, untagged }) => Effect.provide(Effect.scoped(collect.gc({ grace, untagged })), writer(directory))
).pipe(
  Command.withDescription(
    "Deletes content that nothing refers to, while the registry is stopped. A registry that runs does this by itself"
  )
)

const retain = Command.make("retain", {
  directory,
  newest: Options.integer("newest").pipe(
    Options.optional,
    Options.withDescription("Keep the newest tags of each repository")
  ),
  youngerThan: duration("younger-than").pipe(
    Options.optional,
    Options.withDescription("Keep tags that were set within this time: \"30 days\"")
  ),
  keep: Options.text("keep").pipe(
    Options.repeated,
    Options.withDescription("Keep tags that match a pattern: --keep \"v*\"")
  ),
  apply: Options.boolean("apply").pipe(Options.withDescription("Delete the tags, instead of printing them"))
}, ({ apply, directory, keep, newest, youngerThan }) =>
  collect.retain({
    newest: Option.getOrUndefined(newest),
    youngerThan: Option.getOrUndefined(youngerThan),
    keep: keep.length === 0 ? undefined : ReferenceSet.tags(...keep)
  }, apply).pipe(
    Effect.provide(apply ? writer(directory) : reader(directory))
  )).pipe(
    Command.withDescription(
      "Prints the tags that no rule keeps. Deletes them with --apply, while the registry is stopped"
    )
  )

const backup = Command.make("backup", {
  directory,
  target: target("A new directory for the copy")
}, ({ directory, target }) =>
  Effect.flatMap(
    Effect.zipRight(registryIn(directory), Backup.copy({ directory, target })),
    ({ blobs, bytes }) => Console.log(`copied to ${target}: ${terminal.count(blobs, "blob")}, ${terminal.bytes(bytes)}`)
  )).pipe(
    Command.withDescription("Copies the directory, as it is at one moment. The registry may run meanwhile")
  )

const exportContent = Command.make("export", {
  directory,
  target: target("The folder for the layouts: each repository is written to target/NAME"),
  archive: Options.boolean("archive").pipe(
    Options.withDescription("Write an archive for each repository, target/NAME.tar")
  ),
  repository: repository.pipe(
    Options.repeated,
    Options.withDescription("Write only this repository. May be repeated. Default: all repositories")
  )
}, ({ archive, directory, repository, target }) =>
  Effect.gen(function*() {
    const repositories = yield* Effect.forEach(repository, parsed)
    yield* layouts.exportTo(target, { archive, repositories }).pipe(
      Effect.scoped,
      Effect.provide(existing(directory, Durable.layer({ directory })))
    )
  })).pipe(Command.withDescription("Writes images and artifacts as OCI layouts, while the registry is stopped"))

const importContent = Command.make("import", {
  directory,
  source: Args.text({ name: "source" }).pipe(
    Args.withDescription("A layout, an archive of a layout, or a folder that export wrote")
  ),
  repository: repository.pipe(
    Options.optional,
    Options.withDescription("The repository to push to. Default: the path of the layout below source")
  )
}, ({ directory, repository, source }) =>
  Effect.gen(function*() {
    const given = Option.isSome(repository) ? yield* parsed(repository.value) : undefined
    const sources = yield* layouts.sourcesOf(source, given)
    yield* layouts.importFrom(sources).pipe(Effect.scoped, Effect.provide(Durable.layer({ directory })))
  })).pipe(
    Command.withDescription(
      "Pushes the content of OCI layouts, while the registry is stopped. Creates the registry if there is none"
    )
  )

const command = Command.make("effect-oci-store").pipe(
  Command.withDescription("Works on the directory of a registry"),
  Command.withSubcommands([inspect, checkContent, gc, retain, backup, exportContent, importContent])
)

/**
 * Runs the command with the arguments of a process (`process.argv`: the first two are ignored). Sets the exit code of the
 * process: 0 for success, 1 if `check` found damage, 2 for a failure.
 *
 * @since 0.1.0
 * @category running
 */
export const run = (args: ReadonlyArray<string>): Effect.Effect<void, never, CliApp.CliApp.Environment> =>
  Command.run(command, { name: "effect-oci-store", version })(args).pipe(
    Effect.catchAll((error) =>
      Effect.suspend(() => {
        process.exitCode = 2
        // The parser of arguments has printed its errors.
        return "message" in error ? Console.error(`effect-oci-store: ${error.message}`) : Effect.void
      })
    )
  )

/**
 * Runs the command with the arguments of this process.
 *
 * @since 0.1.0
 * @category running
 */
export const main: Effect.Effect<void> = Effect.suspend(() => run(process.argv)).pipe(Effect.provide(NodeContext.layer))
