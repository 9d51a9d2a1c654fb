/**
 * The conformance suite: checks of every rule of the [distribution
 * spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md) that a client can observe, for any
 * registry.
 *
 * @since 0.1.0
 */
import { Registry } from "@effect-oci/core/Registry"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Check, Outcome } from "./Check.js"
import { discovery } from "./checks/discovery.js"
import { errors } from "./checks/errors.js"
import { management } from "./checks/management.js"
import { manifestTypes } from "./checks/manifestTypes.js"
import { pull } from "./checks/pull.js"
import { push } from "./checks/push.js"
import { upload } from "./checks/upload.js"
import * as wire from "./internal/wire.js"
import { everything, Target, Wire } from "./Target.js"
import type { Capabilities } from "./Target.js"

/**
 * The checks by the area of the spec that they cover, in the order of the spec.
 *
 * @since 0.1.0
 * @category checks
 */
export const areas = { pull, push, manifestTypes, upload, discovery, management, errors }

/**
 * Contains all checks, in the order of the spec.
 *
 * @since 0.1.0
 * @category checks
 */
export const checks: ReadonlyArray<Check> = Object.values(areas).flat()

/**
 * Options for a run of the suite.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The capabilities of the registry. Default: all of them, with version `dev` of the spec. */
  readonly capabilities?: Partial<Capabilities> | undefined
  /** The ids of checks that do not run, each with the reason. Default: none. */
  readonly skip?: { readonly [id: string]: string } | undefined
  /** The checks to run. Default: all. */
  readonly only?: ReadonlyArray<Check> | undefined
  /** The first part of the names of the repositories that the suite creates. Default: `conformance`. */
  readonly namespace?: string | undefined
  /** The number of checks that run at the same time. Default: 4. */
  readonly concurrency?: number | undefined
  /** The time in milliseconds after which a check fails. Default: 30 seconds. */
  readonly timeoutMillis?: number | undefined
}

/**
 * A check and its outcome.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result {
  readonly check: Check
  readonly outcome: Outcome
}

/**
 * The results of all checks, with their counts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly results: ReadonlyArray<Result>
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

const skipped = (reason: string): Outcome => ({ _tag: "Skipped", reason })

const reasonToSkip = (check: Check, options: Options | undefined, capabilities: Capabilities): string | undefined => {
  const skipReason = options?.skip?.[check.id]
  if (skipReason !== undefined) return skipReason
  if (check.since === "dev" && capabilities.version !== "dev") return "required only after version 1.1 of the spec"
  if (check.unless !== undefined && capabilities[check.unless]) return `the registry supports ${check.unless}`
  const missing = check.needs?.find((capability) => !capabilities[capability])
  return missing === undefined ? undefined : `the registry does not support ${missing}`
}

/**
 * Runs one check in two new repositories, and returns its outcome.
 *
 * @since 0.1.0
 * @category running
 */
export const runCheck = (check: Check, options?: Options): Effect.Effect<Outcome, never, Wire> =>
  Effect.suspend(() => {
    const capabilities = { ...everything, ...options?.capabilities }
    const reason = reasonToSkip(check, options, capabilities)
    if (reason !== undefined) return Effect.succeed(skipped(reason))
    const namespace = `${options?.namespace ?? "conformance"}/${check.id}/${crypto.randomUUID().slice(0, 8)}`
    const target = {
      repository: RepositoryName.make(`${namespace}/a`),
      other: RepositoryName.make(`${namespace}/b`),
      capabilities
    }
    const limit = options?.timeoutMillis ?? 30_000
    return Effect.scoped(check.run).pipe(
      Effect.provideService(Target, target),
      Effect.timeoutFail({ duration: limit, onTimeout: () => new Error(`the check did not finish in ${limit} ms`) }),
      Effect.exit,
      Effect.map((exit): Outcome =>
        Exit.isSuccess(exit) ? { _tag: "Passed" } : { _tag: "Failed", reason: explain(exit.cause) }
      )
    )
  })

const explain = (cause: Cause.Cause<Error>): string =>
  Option.match(Cause.failureOption(cause), { onNone: () => Cause.pretty(cause), onSome: (error) => error.message })

/**
 * Runs the suite and returns the report.
 *
 * @since 0.1.0
 * @category running
 */
export const run = (options?: Options): Effect.Effect<Report, never, Wire> =>
  Effect.map(
    Effect.forEach(
      options?.only ?? checks,
      (check) => Effect.map(runCheck(check, options), (outcome): Result => ({ check, outcome })),
      { concurrency: options?.concurrency ?? 4 }
    ),
    (results) => {
      const count = (tag: Outcome["_tag"]) => results.filter(({ outcome }) => outcome._tag === tag).length
      return { results, passed: count("Passed"), failed: count("Failed"), skipped: count("Skipped") }
    }
  )

/**
 * A layer that connects the suite to a registry in this process. Requests go through the HTTP server code, without a
 * socket.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRegistry: Layer.Layer<Wire, never, Registry> = Layer.effect(
  Wire,
  Effect.map(Registry, (registry) => ({ send: wire.inProcess(registry.handle) }))
)

/**
 * Creates a layer that connects the suite to a registry at a URL, for example `http://localhost:5000`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUrl = (url: string): Layer.Layer<Wire, never, HttpClient.HttpClient> =>
  Layer.effect(Wire, Effect.map(wire.overHttp(url), (send) => ({ send })))

/**
 * Defines a Vitest test for each check, in the order of the spec. Await it at the top level of a test file. Needs
 * `@effect/vitest`. The message of a failed test begins with the id of the check, for the option `skip`.
 *
 * @since 0.1.0
 * @category running
 */
export const suite = async <E>(
  name: string,
  layer: Layer.Layer<Registry, E>,
  options?: Options
): Promise<void> => {
  const vitest = await import("@effect/vitest")
  const all = options?.only ?? checks
  vitest.layer(Layer.provide(layerRegistry, layer))(name, (it) => {
    for (const check of all) {
      it.effect(`${check.name} [${check.rules.join(", ")}; ${check.section}]`, (context) =>
        Effect.flatMap(runCheck(check, options), (outcome) =>
          Effect.sync(() => {
            if (outcome._tag === "Skipped") context.skip(outcome.reason)
            if (outcome._tag === "Failed") vitest.expect.fail(`${check.id}: ${outcome.reason}`)
          })))
    }
  })
}
