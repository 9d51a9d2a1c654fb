/**
 * A command that copies images and artifacts between registries, image layouts and archives: see the README.
 */
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import { Enforce, Explain, Explanation } from "@effect-oci/explain"
import * as NodeResolver from "@effect-oci/resolver/NodeResolver"
import { Copy, Progress } from "@effect-oci/transfer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { Cause, Console, Effect, Exit, identity, Layer, Logger, Option } from "effect"
import * as display from "./display.js"
import * as failure from "./failure.js"
import * as locations from "./locations.js"
import * as options from "./options.js"

/** Prints warnings of the library as one line on standard error. */
const logger = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ logLevel, message }) => {
    const text = Array.isArray(message) ? message.join(" ") : String(message)
    process.stderr.write(`copy: ${logLevel.label === "WARN" ? "warning: " : ""}${text}\n`)
  })
)

const copy = (given: options.Given, explained?: locations.Explained) =>
  Effect.gen(function*() {
    const sides = failure.sides()
    const { source: from, target: to } = given
    const failed = (side: failure.Side) => (error: unknown) =>
      error instanceof failure.CopyFailed
        ? error
        : new failure.CopyFailed({ side, location: side === "source" ? from : to, error })
    const progress = yield* Progress.make
    const { tags, ...source } = yield* Effect.mapError(locations.source(from, explained), failed("source"))
    // Nothing is created for an explanation either: `explained` keeps what is written in memory.
    const dryRun = given.dryRun || explained !== undefined
    return yield* locations.into(to, { from, tags, dryRun, explained }, (target) => {
      const ends = {
        source: { ...source, registry: sides.marked(source.registry, "source") },
        target: { ...target, registry: sides.marked(target.registry, "target") }
      }
      return Copy.copy(ends.source, ends.target, {
        platform: given.platform,
        indexPlatform: given.all ? undefined : options.here,
        withoutReferrers: given.withoutReferrers,
        referrers: given.requireReferrers ? "required" : undefined,
        concurrency: given.concurrency,
        retryTime: given.retryTime,
        dryRun: given.dryRun
      }).pipe(
        explained === undefined ? display.during(progress) : identity,
        Effect.mapError((error) => {
          const { error: reason, side } = sides.of(error)
          return new failure.CopyFailed({ side, location: side === "source" ? from : to, error: reason })
        })
      )
    }).pipe(Effect.mapError(failed("target")))
  }).pipe(
    Effect.scoped,
    Effect.provide(NodeResolver.layerHosts({ plainHttp: given.plainHttp }))
  )

/** Explains a copy: what it would ask is printed, and written to a file. */
const explain = (given: options.Given, file: string | undefined) =>
  Effect.gen(function*() {
    const sequential = { ...given, concurrency: 1 }
    const { exit, explanation } = yield* Explain.run(
      copy(sequential, (registry, name) => registry.pipe(Explain.wrap({ name })))
    )
    if (file !== undefined) {
      yield* Effect.flatMap(
        FileSystem.FileSystem,
        (files) => files.writeFileString(file, Explanation.encode(explanation))
      )
    }
    yield* Console.log(Explanation.format(explanation))
    yield* exit
  })

/** Copies, and prints a summary. */
const run = (given: options.Given) =>
  Effect.gen(function*() {
    const started = performance.now()
    const summary = yield* copy(given)
    const seconds = (performance.now() - started) / 1000
    yield* Console.log(display.summarize(summary, { dryRun: given.dryRun, seconds, target: given.target.text }))
  }).pipe(Effect.onInterrupt(() => Console.error("copy: interrupted: run it again to copy the rest")))

/** Refuses what the explanation in a file does not contain. */
const enforced = (file: string) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const text = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(file))
    return Enforce.layerHttpClient({ explanation: yield* Explanation.decode(text) })
  }))

const http = ({ concurrency, enforce }: options.Given) => {
  const client = NodeHttp.layer({ connectionsAhead: concurrency - 1 })
  return Layer.mergeAll(
    NodeCredentials.layerDockerConfig(),
    enforce === undefined ? client : Layer.provide(enforced(enforce), client)
  )
}

const main = Effect.flatMap(options.parse(process.argv.slice(2)), (parsed) => {
  switch (parsed._tag) {
    case "Help":
      return Console.log(options.help)
    case "Version":
      return Console.log("0.0.0")
    case "Copy":
      return Effect.provide(
        parsed.given.explain === undefined ? run(parsed.given) : explain(parsed.given, parsed.given.explain.file),
        http(parsed.given)
      )
  }
}).pipe(
  Effect.tapErrorCause((cause) => {
    const error = Option.getOrUndefined(Cause.failureOption(cause))
    if (Cause.isInterruptedOnly(cause)) return Effect.void
    if (!(error instanceof options.WrongArguments)) {
      return Console.error(`copy: ${error instanceof Error ? error.message : Cause.pretty(cause)}`)
    }
    process.exitCode = 2
    return Console.error(`copy: ${error.message}\n${options.usage}\nRun \`copy --help\` for the options.`)
  }),
  Effect.provide(Layer.merge(NodeContext.layer, logger))
)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, done) =>
    done(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : Number(process.exitCode ?? 1))
})
