/**
 * A span for each operation.
 *
 * @since 0.1.0
 */
import { Operation, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import type * as Layer from "effect/Layer"
import type * as Tracer from "effect/Tracer"
import { errorType } from "./internal/errorType.js"
import { observed } from "./internal/observe.js"
import type { Observation, Observer } from "./internal/observe.js"
import { problemOf } from "./internal/problem.js"
import { redact } from "./internal/redact.js"

/**
 * How operations are traced.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * What the spans are to OpenTelemetry: `internal` unless said. `client` is right round a registry elsewhere, `server`
   * round one that is served.
   */
  readonly kind?: Tracer.SpanKind | undefined
  /** Attributes of all spans, to tell one registry from another: `{ "server.address": "ghcr.io" }`. */
  readonly attributes?: { readonly [name: string]: string | number | boolean } | undefined
}

/**
 * Makes a span for each operation by Effect's tracer, as a child of the span that is there, `oci.` and its name, with
 *
 * - `oci.operation`, `oci.repository`, and `oci.tag`, `oci.manifest.digest` or `oci.blob.digest`, of what is asked for;
 *   never the id of an upload;
 * - `oci.outcome`: `Success`, `Failure`, `Defect`, `Interrupted`, or `Partial` for the content of a blob or a list that
 *   was not read to its end;
 * - `oci.bytes` of the content that was read, or of the body or manifest that was pushed, where that is known, and
 *   `oci.items` of a list;
 * - `error.type`, the tag of a failure, or `_OTHER`; `http.response.status_code`, where an error has one;
 * - `enduser.id`, the name of who asks, unless anonymous.
 *
 * What the operation does is done within its span: requests are children of it. The span of a list ends with its stream,
 * that of a blob's content when it has been read, or else when its scope closes. A list that nobody runs has none that
 * ends; each time that it is run again it has another.
 *
 * A span that fails says by what, escaped, without the queries of URLs and without the error's own cause.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options?: Options): Middleware.Middleware => {
  const { attributes, kind = "internal" } = options ?? {}
  const begin = (operation: Operation.Operation): Effect.Effect<Observer> =>
    Effect.map(
      Effect.makeSpan(`oci.${operation._tag}`, {
        kind,
        attributes: { ...attributes, ...asked(operation) },
        captureStackTrace: false
      }),
      (span) => ({
        span,
        again: begin(operation),
        ended: (observation, fiber) => {
          for (const [name, value] of Object.entries(told(observation))) {
            if (value !== undefined) span.attribute(name, value)
          }
          const isTimed = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
          span.end(isTimed ? observation.endedAt : 0n, exitOf(observation))
        }
      })
    )
  return (next) => (operation) => Effect.flatMap(begin(operation), (observer) => observed(next, operation, observer))
}

/**
 * A layer that traces what is asked of the registry below it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> => Registry.layer(middleware(options))

/**
 * Traces what is asked of the registry of a layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Tracing } from "@effect-oci/middleware"
 * import type { Layer } from "effect"
 *
 * const traced = (upstream: Layer.Layer<Registry>) =>
 *   upstream.pipe(Tracing.wrap({ kind: "client", attributes: { "server.address": "ghcr.io" } }))
 * ```
 */
export const wrap = (options?: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))

type Attributes = { readonly [name: string]: string | number | undefined }

const asked = (operation: Operation.Operation): Attributes => {
  const { reference, repository } = Operation.errorFields(operation)
  return {
    "oci.operation": operation._tag,
    ...(repository === undefined ? {} : { "oci.repository": repository }),
    ...(reference === undefined ? {} : { [nameOf(operation, reference)]: reference })
  }
}

const nameOf = (operation: Operation.Operation, reference: string): string => {
  if (!reference.includes(":")) return "oci.tag"
  switch (operation._tag) {
    case "ResolveBlob":
    case "GetBlob":
    case "PushBlob":
    case "MountBlob":
    case "CompleteUpload":
    case "DeleteBlob":
      return "oci.blob.digest"
    default:
      return "oci.manifest.digest"
  }
}

const told = ({ bytes, caller, count, outcome }: Observation): Attributes => ({
  "oci.outcome": outcome._tag,
  "oci.bytes": bytes,
  "oci.items": count,
  "error.type": errorType(outcome),
  "http.response.status_code": outcome._tag === "Failure" ? outcome.error.status : undefined,
  "enduser.id": caller.name && redact(caller.name)
})

/** Whoever exports spans writes all that there is of a failure: its stack, its fields and its cause. */
const exitOf = ({ operation, outcome }: Observation): Exit.Exit<void, Error> => {
  if (outcome._tag === "Interrupted") return Exit.interrupt(FiberId.none)
  const problem = problemOf(outcome, operation)
  if (problem === undefined) return Exit.void
  const { message, name } = problem
  const error = Object.assign(new Error(message), { name, stack: `${name}: ${message}` })
  return outcome._tag === "Failure" ? Exit.fail(error) : Exit.die(error)
}
