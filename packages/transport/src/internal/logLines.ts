import { printable } from "@effect-oci/core/Printable"
import type * as Headers from "@effect/platform/Headers"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import { describe } from "../HttpFailure.js"
import * as Redaction from "../Redaction.js"

/**
 * The headers whose value may be logged. For all others only the name is logged, because the value may be or contain a
 * credential.
 */
const loggedHeaders = new Set([
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
  "if-match",
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

/** The query parameters whose value may be logged. */
const loggedQueries = new Set(["artifactType", "digest", "from", "last", "mount", "n", "scope", "service", "tag"])

/** Writes one line for a request, sends it, and writes one line for its result. */
export const logged = (
  request: HttpClientRequest,
  answer: Effect.Effect<HttpClientResponse, HttpClientError>,
  write: (text: string, annotations: Record<string, unknown>) => Effect.Effect<void>
): Effect.Effect<HttpClientResponse, HttpClientError> => {
  const line = `${request.method} ${redactedUrl(request.url)}`
  return Effect.zipRight(
    write(line, { headers: loggedHeadersOf(request.headers, identity) }),
    Effect.flatMap(
      Clock.currentTimeMillis,
      (start) =>
        Effect.onExit(answer, (exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (end) => {
            const durationMillis = end - start
            return Exit.isSuccess(exit)
              ? write(`${line}: ${exit.value.status}`, {
                status: exit.value.status,
                durationMillis,
                headers: loggedHeadersOf(exit.value.headers, redactionOf(exit.value))
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

/** A registry may repeat in any header what the client sent. */
const redactionOf = ({ request }: HttpClientResponse): Redaction.Redaction =>
  Redaction.make(Redaction.secretsOfHeaders(request.headers))

const loggedHeadersOf = (headers: Headers.Headers, redact: Redaction.Redaction): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map((
      [name, value]
    ) => [printable(name, 64), loggedHeaders.has(name) ? printable(redact(value), 256) : "…"])
  )

/** Returns the part of a URL that may be logged. */
const redactedUrl = (text: string): string => {
  if (!URL.canParse(text)) return "…"
  const { origin, pathname, searchParams } = new URL(text)
  const path = /\/v2(\/|$)/.test(pathname) ? pathname.replace(/(\/blobs\/uploads\/).+$/, "$1…") : "/…"
  const queries = [...searchParams].map(([name, value]) => loggedQueries.has(name) ? `${name}=${value}` : "…")
  return printable(`${origin}${path}${queries.length === 0 ? "" : `?${queries.join("&")}`}`)
}
