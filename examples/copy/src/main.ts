/**
 * A command that copies images and artifacts between registries, image layouts and archives: see the README.
 */
import * as NodeCredentials from "@effect-oci/auth/NodeCredentials"
import * as NodeClient from "@effect-oci/client/NodeClient"
import { Platform } from "@effect-oci/resolver"
import * as NodeResolver from "@effect-oci/resolver/NodeResolver"
import { Copy, Progress } from "@effect-oci/transfer"
import { Args, Command, Options, ValidationError } from "@effect/cli"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Exit, Layer, Logger, Option } from "effect"
import * as os from "node:os"
import * as display from "./display.js"
import * as places from "./places.js"

const options = {
  source: Args.text({ name: "SOURCE" }).pipe(
    Args.withDescription("What to copy: registry.example.com/team/app:v1, oci:DIR[:TAG] or oci-archive:FILE[:TAG]")
  ),
  target: Args.text({ name: "TARGET" }).pipe(Args.withDescription("Where to: the same")),
  all: Options.boolean("all").pipe(
    Options.withAlias("a"),
    Options.withDescription("Copy an index whole, with the images for all platforms")
  ),
  platform: Options.text("platform").pipe(
    Options.optional,
    Options.withDescription(
      "Of an index copy the image for this platform, such as linux/arm64: this machine's if not given"
    )
  ),
  referrers: Options.boolean("referrers").pipe(
    Options.withDescription("Copy what refers to it as well: signatures, SBOMs")
  ),
  plainHttp: Options.boolean("plain-http").pipe(
    Options.withDescription("Speak to registries without TLS; to those of this machine it is done in any case")
  ),
  concurrency: Options.integer("concurrency").pipe(
    Options.withDefault(4),
    Options.withDescription("How many blobs are copied at once")
  ),
  dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Only find out what would be copied"))
}

/** The platform of this machine, as a container's: Docker's machines run Linux. */
const here: Platform.Platform = Platform.normalize({
  os: process.platform === "win32" ? "windows" : "linux",
  architecture: os.arch() === "x64" ? "amd64" : os.arch()
})

type Given = {
  readonly source: string
  readonly target: string
  readonly all: boolean
  readonly platform: Option.Option<string>
  readonly referrers: boolean
  readonly concurrency: number
  readonly dryRun: boolean
}

const copy = (given: Given) =>
  Effect.gen(function*() {
    const from = yield* places.parse(given.source)
    const to = yield* places.parse(given.target)
    const platform = yield* Option.match(given.platform, {
      onNone: () => Effect.succeed(given.all ? undefined : here),
      onSome: (text) => Platform.parse(text)
    })
    const progress = yield* Progress.make
    const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const source = yield* places.source(from)
    const summary = yield* places.into(to, (target) =>
      Copy.copy(source, target, {
        platform,
        withoutReferrers: !given.referrers,
        concurrency: Math.max(1, given.concurrency),
        dryRun: given.dryRun
      }).pipe(Effect.provideService(Progress.Progress, progress), display.during(progress)))
    const ended = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const { blobs, bytes, descriptor, manifests } = summary
    const verb = given.dryRun ? "would copy" : "copied"
    yield* Console.log(
      `${verb} ${descriptor.digest}: ${manifests.pushed} of ${manifests.pushed + manifests.existed} manifests, ` +
        `${blobs.moved} blobs of ${display.bytes(bytes)}, ${blobs.mounted} mounted, ${blobs.existed} there already, ` +
        `in ${((ended - started) / 1000).toFixed(1)} s`
    )
  }).pipe(Effect.scoped)

const command = Command.make("copy", options, ({ plainHttp, ...given }) =>
  copy(given).pipe(
    Effect.provide(
      NodeResolver.layerHosts(plainHttp ? { plainHttp: () => true } : {}).pipe(
        Layer.provide(NodeCredentials.layerDockerConfig()),
        Layer.provide(NodeClient.layerHttp())
      )
    )
  )).pipe(Command.withDescription("Copies an image or an artifact, and all that belongs to it."))

const failed = (cause: Cause.Cause<unknown>) => {
  const message = Option.match(Cause.failureOption(cause), {
    onNone: () => Cause.pretty(cause),
    onSome: (error) => error instanceof Error ? error.message : String(error)
  })
  return Console.error(`copy: ${message}`)
}

const main = Command.run(command, { name: "copy", version: "0.1.0" })(process.argv).pipe(
  Effect.tapErrorCause((cause) => {
    const error = Option.getOrUndefined(Cause.failureOption(cause))
    // What is wrong with the arguments has been said by now.
    return ValidationError.isValidationError(error)
      ? Effect.sync(() => {
        process.exitCode = 2
      })
      : failed(cause)
  }),
  Effect.provide(
    Layer.merge(NodeContext.layer, Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
  )
)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, done) =>
    done(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : Number(process.exitCode ?? 1))
})
