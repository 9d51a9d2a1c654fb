/**
 * A command that copies images and artifacts between registries, image layouts and archives: see the README.
 */
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import * as NodeResolver from "@effect-oci/resolver/NodeResolver"
import { Copy, Progress } from "@effect-oci/transfer"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Exit, Layer, Logger, Option } from "effect"
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

const copy = (given: options.Given) =>
  Effect.gen(function*() {
    const sides = failure.sides()
    const { source: from, target: to } = given
    const failed = (side: failure.Side) => (error: unknown) =>
      error instanceof failure.CopyFailed
        ? error
        : new failure.CopyFailed({ side, location: side === "source" ? from : to, error })
    const progress = yield* Progress.make
    const started = performance.now()
    const { tags, ...source } = yield* Effect.mapError(locations.source(from), failed("source"))
    const summary = yield* locations.into(to, { from, tags, dryRun: given.dryRun }, (target) => {
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
        display.during(progress),
        Effect.mapError((error) => {
          const { error: reason, side } = sides.of(error)
          return new failure.CopyFailed({ side, location: side === "source" ? from : to, error: reason })
        })
      )
    }).pipe(Effect.mapError(failed("target")))
    const seconds = (performance.now() - started) / 1000
    yield* Console.log(display.summarize(summary, { dryRun: given.dryRun, seconds, target: to.text }))
  }).pipe(
    Effect.scoped,
    Effect.provide(
      NodeResolver.layerHosts({ plainHttp: given.plainHttp }).pipe(
        Layer.provide(NodeCredentials.layerDockerConfig()),
        Layer.provide(NodeHttp.layer())
      )
    ),
    Effect.onInterrupt(() => Console.error("copy: interrupted: run it again to copy the rest"))
  )

const main = Effect.flatMap(options.parse(process.argv.slice(2)), (parsed) => {
  switch (parsed._tag) {
    case "Help":
      return Console.log(options.help)
    case "Version":
      return Console.log("0.0.0")
    case "Copy":
      return copy(parsed.given)
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
