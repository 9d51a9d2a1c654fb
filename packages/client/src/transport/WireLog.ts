/**
 * A log of what goes over the wire.
 *
 * @since 0.1.0
 */
import * as Redaction from "@effect-oci/auth/Redaction"
import * as Transport from "@effect-oci/auth/Transport"
import { printable } from "@effect-oci/core/Printable"
import type * as Headers from "@effect/platform/Headers"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as LogLevel from "effect/LogLevel"
import { describe } from "../internal/transportError.js"

/**
 * How requests are logged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The level of the lines: `Debug` if not given. */
  readonly level?: LogLevel.LogLevel | undefined
}

/** What a header may say in a log. The others are named, and no more: they are, or hold, what lets people in. */
const toldHeaders = new Set([
  "accept",
  "accept-encoding",
  "accept-ranges",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "date",
  "docker-content-digest",
  "docker-distribution-api-version",
  "if-none-match",
  "oci-chunk-min-length",
  "oci-filters-applied",
  "oci-subject",
  "range",
  "retry-after",
  "transfer-encoding",
  "upload-offset",
  "user-agent"
])

/** What a query may say in a log. */
const toldQueries = new Set(["artifactType", "digest", "from", "last", "mount", "n", "scope", "service", "tag"])

/**
 * Writes a line for each request and one for what became of it: the method and the URL, annotated with `headers`, and
 * with the `status` and `durationMillis`, or the `error`, of the answer.
 *
 * Nothing is told that lets people in: of headers and queries only those that are known to be harmless; where an upload
 * is, or what lies outside of the API, not at all. What comes from the registry is made fit for a terminal. Where the
 * level is not logged, this costs nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Transport.Transport => {
  const level = options?.level ?? LogLevel.Debug
  const write = (text: string, annotations: Record<string, unknown>) =>
    Effect.annotateLogs(Effect.logWithLevel(level, text), annotations)
  return Transport.make((request, send) =>
    Effect.withFiberRuntime((fiber) =>
      LogLevel.greaterThan(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), level)
        ? send(request)
        : logged(request, send, write)
    )
  )
}

const logged = (
  request: HttpClientRequest,
  send: Transport.Send,
  write: (text: string, annotations: Record<string, unknown>) => Effect.Effect<void>
): Effect.Effect<HttpClientResponse, HttpClientError> => {
  const line = `${request.method} ${told(request.url)}`
  return Effect.zipRight(
    write(line, { headers: toldOf(request.headers, identity) }),
    Effect.flatMap(
      Clock.currentTimeMillis,
      (start) =>
        Effect.onExit(send(request), (exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (end) => {
            const durationMillis = end - start
            return Exit.isSuccess(exit)
              ? write(`${line}: ${exit.value.status}`, {
                status: exit.value.status,
                durationMillis,
                headers: toldOf(exit.value.headers, redactionOf(exit.value))
              })
              : write(`${line}: no answer`, { durationMillis, error: problem(exit.cause) })
          }))
    )
  )
}

const problem = (cause: Cause.Cause<HttpClientError>): string => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") return printable(describe(failure.value))
  return Cause.isInterruptedOnly(cause) ? "interrupted" : "defect"
}

/** A registry may repeat in any header what it was sent. */
const redactionOf = ({ request }: HttpClientResponse): Redaction.Redaction =>
  Redaction.make(Redaction.secretsOfHeaders(request.headers))

const toldOf = (headers: Headers.Headers, redact: Redaction.Redaction): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map((
      [name, value]
    ) => [printable(name, 64), toldHeaders.has(name) ? printable(redact(value), 256) : "…"])
  )

/** A URL, as far as it may be told. */
const told = (text: string): string => {
  if (!URL.canParse(text)) return "…"
  const { origin, pathname, searchParams } = new URL(text)
  const path = /\/v2(\/|$)/.test(pathname) ? pathname.replace(/(\/blobs\/uploads\/).+$/, "$1…") : "/…"
  const queries = [...searchParams].map(([name, value]) => toldQueries.has(name) ? `${name}=${value}` : "…")
  return printable(`${origin}${path}${queries.length === 0 ? "" : `?${queries.join("&")}`}`)
}
