/**
 * The command `effect-oci-store`, which works on the content of a registry: in a directory, or in PostgreSQL and S3.
 *
 * @since 0.1.0
 */
import { ReferenceSet, RepositoryName } from "@effect-oci/core"
import * as Backup from "@effect-oci/durable/Backup"
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
import * as Option from "effect/Option"
import { createRequire } from "node:module"
import { join } from "node:path"
import { check } from "./internal/check.js"
import * as collect from "./internal/collect.js"
import * as layouts from "./internal/layouts.js"
import * as place from "./internal/place.js"
import { Refused } from "./internal/refused.js"
import { stats } from "./internal/stats.js"
import * as terminal from "./internal/terminal.js"

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

const registry = Args.text({ name: "registry" }).pipe(
  Args.withDescription(
    "The directory of the registry (./data), or the file with the settings of a cluster (registry.toml)"
  )
)

const target = (description: string) => Args.text({ name: "target" }).pipe(Args.withDescription(description))

const duration = (name: string) =>
  Options.mapEffect(Options.text(name), (text) =>
    Either.fromOption(
      Duration.decodeUnknown(text),
      () => ValidationError.invalidValue(HelpDoc.p(`--${name} ${text}: expected a duration such as "24 hours"`))
    ))

const repository = Options.text("repository")

const read = <A, E, R>(path: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(place.at(path), ({ reader }) => Effect.provide(effect, reader))

const write = <A, E, R>(path: string, use: (kind: place.Place["kind"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(place.at(path), ({ kind, writer }) => Effect.provide(use(kind), writer))

const parsed = (name: string) => Effect.mapError(RepositoryName.parse(name), ({ message }) => new Refused({ message }))

const inspect = Command.make(
  "stats",
  { registry },
  ({ registry }) => read(registry, Effect.scoped(stats))
).pipe(
  Command.withDescription("Counts repositories, tags, manifests and blobs. The registry may run meanwhile")
)

const checkContent = Command.make("check", {
  registry,
  rate: Options.integer("rate").pipe(
    Options.optional,
    Options.withDescription("How many MiB are read in a second. Default: no limit")
  ),
  discard: Options.boolean("discard").pipe(
    Options.withDescription(
      "Discard damaged blobs, so that a push stores them again. Stop the registry of a directory before"
    )
  )
}, ({ discard, rate, registry }) =>
  Effect.gen(function*() {
    const bytesPerSecond = Option.getOrUndefined(Option.map(rate, (mebibytes) => mebibytes * 1024 ** 2))
    const { kind, reader, writer } = yield* place.at(registry)
    const isDamaged = yield* check(kind, { bytesPerSecond, discard }).pipe(
      Effect.scoped,
      Effect.provide(discard ? writer : reader)
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
    registry,
    grace: duration("grace").pipe(
      Options.withDefault(Duration.hours(24)),
      Options.withDescription("How long content is kept that nothing refers to. Default: \"24 hours\"")
    ),
    untagged: Options.choice("untagged", ["keep", "delete"]).pipe(
      Options.withDefault("keep" as const),
      Options.withDescription("What happens to manifests without a tag, a parent and a subject. Default: keep")
    )
  },
  ({ grace, registry, untagged }) => write(registry, (kind) => Effect.scoped(collect.gc(kind, { grace, untagged })))
).pipe(
  Command.withDescription(
    "Deletes content that nothing refers to. A registry that runs does this by itself. Stop the registry of a directory before"
  )
)

const retain = Command.make("retain", {
  registry,
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
}, ({ apply, keep, newest, registry, youngerThan }) => {
  const retain = collect.retain({
    newest: Option.getOrUndefined(newest),
    youngerThan: Option.getOrUndefined(youngerThan),
    keep: keep.length === 0 ? undefined : ReferenceSet.tags(...keep)
  }, apply)
  return apply ? write(registry, () => retain) : read(registry, retain)
}).pipe(
  Command.withDescription(
    "Prints the tags that no rule keeps. Deletes them with --apply. Stop the registry of a directory before"
  )
)

const backup = Command.make("backup", {
  registry,
  target: target("A new directory for the copy")
}, ({ registry: directory, target }) =>
  Effect.gen(function*() {
    const { kind } = yield* place.at(directory)
    if (kind === "cluster") {
      return yield* new Refused({
        message: "cannot copy a cluster; back up its database, and then its bucket, with their own tools"
      })
    }
    yield* place.registryIn(directory)
    const { blobs, bytes } = yield* Backup.copy({ directory, target })
    yield* Console.log(`copied to ${target}: ${terminal.count(blobs, "blob")}, ${terminal.bytes(bytes)}`)
    for (const name of place.otherFilesIn(directory)) {
      yield* Console.log(`not copied: ${join(directory, name)}; it is not content of the registry`)
    }
  })).pipe(
    Command.withDescription("Copies the directory, as it is at one moment. The registry may run meanwhile")
  )

const exportContent = Command.make("export", {
  registry,
  target: target("The folder for the layouts: each repository is written to target/NAME"),
  archive: Options.boolean("archive").pipe(
    Options.withDescription("Write an archive for each repository, target/NAME.tar")
  ),
  repository: repository.pipe(
    Options.repeated,
    Options.withDescription("Write only this repository. May be repeated. Default: all repositories")
  )
}, ({ archive, registry, repository, target }) =>
  Effect.gen(function*() {
    const repositories = yield* Effect.forEach(repository, parsed)
    const opened = yield* place.at(registry)
    yield* layouts.exportTo(target, { archive, repositories }).pipe(Effect.scoped, Effect.provide(opened.registry))
  })).pipe(
    Command.withDescription("Writes images and artifacts as OCI layouts. Stop the registry of a directory before")
  )

const importContent = Command.make("import", {
  registry,
  source: Args.text({ name: "source" }).pipe(
    Args.withDescription("A layout, an archive of a layout, or a folder that export wrote")
  ),
  repository: repository.pipe(
    Options.optional,
    Options.withDescription("The repository to push to. Default: the path of the layout below source")
  )
}, ({ registry, repository, source }) =>
  Effect.gen(function*() {
    const given = Option.isSome(repository) ? yield* parsed(repository.value) : undefined
    const sources = yield* layouts.sourcesOf(source, given)
    const created = yield* place.created(registry)
    yield* layouts.importFrom(sources).pipe(Effect.scoped, Effect.provide(created))
  })).pipe(
    Command.withDescription(
      "Pushes the content of OCI layouts. Stop the registry of a directory before. Creates the directory if there is none"
    )
  )

const command = Command.make("effect-oci-store").pipe(
  Command.withDescription("Works on the content of a registry: in a directory, or in PostgreSQL and S3"),
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
