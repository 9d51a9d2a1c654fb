import { printable } from "@effect-oci/core/Printable"
import * as HttpFailure from "@effect-oci/transport/HttpFailure"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { Credentials } from "../../S3CredentialsModel.js"
import { CredentialsFailed } from "../../S3CredentialsModel.js"
import { readText } from "../answers.js"

/** How long one request may take: a machine without a metadata service does not answer at all. */
const limit = "5 seconds"

/** The largest answer that is read, in bytes. */
const maxAnswer = 256 * 1024

const retries = Schedule.intersect(Schedule.jittered(Schedule.exponential("100 millis")), Schedule.recurs(3))

/** A request for credentials. `source` and `todo` are for its errors. */
export interface Ask {
  readonly method: "GET" | "PUT" | "POST"
  readonly url: string
  readonly headers?: Record<string, string> | undefined
  readonly form?: Record<string, string> | undefined
  readonly source: string
  readonly todo: string
}

interface Problem {
  readonly reason: string
  readonly isTransient: boolean
}

const failed = ({ source, todo }: Ask, reason: string) =>
  new CredentialsFailed({ message: `cannot obtain credentials from ${source}: ${reason}; ${todo}` })

/** Sends a request, and again if that may help. Returns the text of its answer. */
export const ask = (client: HttpClient.HttpClient, request: Ask): Effect.Effect<string, CredentialsFailed> => {
  const untraced = HttpClient.withTracerDisabledWhen(client, constTrue)
  const sent = HttpClientRequest.make(request.method)(request.url).pipe(
    HttpClientRequest.setHeaders(request.headers ?? {}),
    request.form === undefined ? (same) => same : HttpClientRequest.bodyUrlParams(request.form)
  )
  const once = Effect.flatMap(
    Transport.withPlainFetch(untraced.execute(sent)),
    (response) => Effect.map(readText(response, maxAnswer), (text) => ({ status: response.status, text }))
  ).pipe(
    Effect.timeoutFail({
      duration: limit,
      onTimeout: (): Problem => ({ reason: `no answer for ${limit}`, isTransient: true })
    }),
    Effect.catchTags({
      RequestError: (error) => Effect.fail(problemOf(error)),
      ResponseError: (error) => Effect.fail(problemOf(error)),
      AnswerBroken: ({ reason }) => Effect.fail<Problem>({ reason, isTransient: true })
    }),
    Effect.filterOrFail(({ status }) => status === 200, ({ status }): Problem => ({
      reason: `the service answered ${status}`,
      isTransient: status >= 500 || status === 429
    }))
  )
  return Effect.retry(once, { schedule: retries, while: ({ isTransient }) => isTransient }).pipe(
    Effect.mapBoth({ onFailure: ({ reason }) => failed(request, reason), onSuccess: ({ text }) => text })
  )
}

const problemOf = (error: HttpClientError): Problem => ({
  reason: HttpFailure.phrase(error),
  isTransient: HttpFailure.faultOf(error) !== "lasting"
})

/** Converts the fields of an answer to credentials. */
export const credentialsOf = (
  request: Ask,
  fields: {
    readonly accessKeyId: string | undefined
    readonly secretAccessKey: string | undefined
    readonly sessionToken: string | undefined
    readonly expiration: string | undefined
  }
): Effect.Effect<Credentials, CredentialsFailed> => {
  const { accessKeyId, expiration, secretAccessKey, sessionToken } = fields
  const expires = expiration === undefined ? Option.none() : DateTime.make(expiration)
  return accessKeyId === undefined || secretAccessKey === undefined || Option.isNone(expires)
    ? Effect.fail(failed(request, "the answer contains no credentials"))
    : Effect.succeed({
      accessKeyId,
      secretAccessKey: Redacted.make(secretAccessKey),
      sessionToken: sessionToken === undefined ? undefined : Redacted.make(sessionToken),
      expiration: DateTime.toUtc(expires.value)
    })
}

/** Runs the effect of a user that returns a token. Its error is not shown, because it may contain the token. */
export const tokenOf = (
  token: Effect.Effect<Redacted.Redacted, unknown>,
  source: string
): Effect.Effect<string, CredentialsFailed> =>
  Effect.mapBoth(token, {
    onFailure: (cause) =>
      new CredentialsFailed({
        message: `cannot obtain credentials from ${source}: the token could not be read; check that it exists`,
        cause
      }),
    onSuccess: (value) => Redacted.value(value).trim()
  })

export const shown = (url: string): string => printable(URL.canParse(url) ? new URL(url).host : url, 100)
