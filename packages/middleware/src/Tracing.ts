/**
 * A wrapper that creates a span for each operation.
 *
 * @since 0.1.0
 */
import { Answer, Operation, redact, Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import type * as Layer from "effect/Layer"
import type * as Tracer from "effect/Tracer"
import { errorType } from "./internal/errorType.js"
import { listen } from "./internal/observe.js"
import type { Observation, Observer } from "./internal/observe.js"
import { problemOf } from "./internal/problem.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The kind of the spans: `client` around a remote registry, `server` around a registry that you serve. Default:
   * `internal`.
   */
  readonly kind?: Tracer.SpanKind | undefined
  /** Attributes of all spans, to distinguish registries: `{ "server.address": "ghcr.io" }`. Default: none. */
  readonly attributes?: { readonly [name: string]: string | number | boolean } | undefined
}

/**
 * Creates a middleware that creates a span for each operation with Effect's tracer, as a child of the current span. The
 * name of the span is `oci.` followed by the name of the operation. Its attributes are:
 *
 * - `oci.operation`, `oci.repository`, and `oci.tag`, `oci.manifest.digest` or `oci.blob.digest` of the requested
 *   content; never the id of an upload;
 * - `oci.outcome`: `Success`, `Failure`, `Defect`, `Interrupted`, or `Partial` for the content of a blob or a list that
 *   was not read to its end;
 * - `oci.bytes`: the size of the content that was read, or of the body or manifest that was pushed, if known; and
 *   `oci.items`: the number of items of a list;
 * - `error.type`: the tag of a failure, or `_OTHER`; and `http.response.status_code`, if the error has a status;
 * - `enduser.id`: the name of the caller, unless anonymous.
 *
 * All work for the operation runs within its span: HTTP requests are children of it. The span of a list ends with its
 * stream. The span of a blob's content ends when the content has been read, or when its scope closes. The span of a
 * list that is never run does not end; each further run of a list has its own span.
 *
 * A failed span contains the error, escaped, without the queries of URLs and without the cause of the error.
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
        attributes: { ...attributes, ...operationAttributes(operation) },
        captureStackTrace: false
      }),
      (span) => ({
        span,
        again: begin(operation),
        ended: (observation, fiber) => {
          for (const [name, value] of Object.entries(resultAttributes(observation))) {
            if (value !== undefined) span.attribute(name, value)
          }
          const isTimed = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
          span.end(isTimed ? observation.endedAt : 0n, exitOf(observation))
        }
      })
    )
  return (next) => (operation) =>
    Effect.flatMap(begin(operation), (observer) => Answer.onEnd(next, operation, listen(operation, observer)))
}

/**
 * Creates a layer that requires a registry, and provides that registry with its operations traced. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are traced.
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

const operationAttributes = (operation: Operation.Operation): Attributes => {
  const { reference, repository } = Operation.errorFields(operation)
  return {
    "oci.operation": operation._tag,
    ...(repository === undefined ? {} : { "oci.repository": repository }),
    ...(reference === undefined ? {} : { [nameOf(operation, reference)]: reference })
  }
}

const nameOf = ({ _tag }: Operation.Operation, reference: string): string =>
  reference.includes(":") ? `oci.${subjects[_tag]}.digest` : "oci.tag"

/** What the digest of each operation identifies. */
const subjects: { readonly [Tag in Operation.OperationTag]: "blob" | "manifest" | undefined } = {
  ResolveBlob: "blob",
  GetBlob: "blob",
  ResolveManifest: "manifest",
  GetManifest: "manifest",
  PushBlob: "blob",
  MountBlob: "blob",
  StartUpload: undefined,
  GetUpload: undefined,
  AppendUpload: undefined,
  CompleteUpload: "blob",
  CancelUpload: undefined,
  PushManifest: "manifest",
  DeleteBlob: "blob",
  DeleteManifest: "manifest",
  DeleteTag: undefined,
  ListRepositories: undefined,
  ListTags: undefined,
  ListReferrers: "manifest"
}

const resultAttributes = ({ bytes, caller, count, outcome }: Observation): Attributes => ({
  "oci.outcome": outcome._tag,
  "oci.bytes": bytes,
  "oci.items": count,
  "error.type": errorType(outcome),
  "http.response.status_code": outcome._tag === "Failure" ? outcome.error.status : undefined,
  "enduser.id": caller.name && redact(caller.name)
})

/**
 * Returns the exit of a span. Exporters write everything that a failure contains: its stack, its fields and its cause.
 * Therefore the exit contains only a new error with the name and the escaped message.
 */
const exitOf = ({ operation, outcome }: Observation): Exit.Exit<void, Error> => {
  if (outcome._tag === "Interrupted") return Exit.interrupt(FiberId.none)
  const problem = problemOf(outcome, operation)
  if (problem === undefined) return Exit.void
  const { message, name } = problem
  const error = Object.assign(new Error(message), { name, stack: `${name}: ${message}` })
  return outcome._tag === "Failure" ? Exit.fail(error) : Exit.die(error)
}
