import * as Redaction from "@effect-oci/transport/Redaction"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { constTrue } from "effect/Function"
import * as Redacted from "effect/Redacted"
import type { Credentials, Service as CredentialsService } from "../S3CredentialsModel.js"
import type { S3Error } from "../S3Error.js"
import { readText } from "./answers.js"
import * as failures from "./failures.js"
import * as metrics from "./metrics.js"
import type { Settings } from "./settings.js"
import { Signer } from "./signer.js"
import type { Unsigned } from "./signer.js"

/** A call of S3. */
export interface Call extends Unsigned {
  /** The name of the call, for its errors. */
  readonly call: string
  /** The permission that the call needs. */
  readonly action: string
  /** How long the answer may take. Default: the option `timeout`. */
  readonly timeout?: Duration.Duration | undefined
  /** Whether the call may be sent again if the first one may have taken effect. Default: `true`. */
  readonly isRepeatable?: boolean | undefined
}

/** An answer whose body was read. */
export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly text: string
}

/** The largest answer that is read as text: a page of a list has less than 1 MiB. */
const maxAnswer = 8 * 1024 * 1024

/** Answers with which a service refuses a call before it takes effect. */
const refused = new Set(["SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests"])

const secretsOf = ({ secretAccessKey, sessionToken }: Credentials): ReadonlyArray<string> => [
  Redacted.value(secretAccessKey),
  ...(sessionToken === undefined ? [] : [Redacted.value(sessionToken)])
]

/** Sends signed calls, and sends them again if that may help. */
export class Client {
  readonly signer: Signer
  private readonly http: HttpClient.HttpClient

  constructor(
    readonly settings: Settings,
    http: HttpClient.HttpClient,
    readonly credentials: CredentialsService
  ) {
    this.signer = new Signer(settings)
    // The spans of the platform would contain the headers of the signature and the session token.
    this.http = HttpClient.withTracerDisabledWhen(http, constTrue)
  }

  /** Sends a call, and reads the body of its answer. `check` may refuse an answer with an error that is sent again. */
  send<A>(
    call: Call,
    check: (answer: Answer) => Effect.Effect<A, S3Error>
  ): Effect.Effect<A, S3Error> {
    return this.retried(
      call,
      this.limited(
        call,
        Effect.flatMap(this.attempt(call), (response) =>
          readText(response, maxAnswer).pipe(
            Effect.mapError(({ reason }) => this.unexpected(call, response.status, reason)),
            Effect.flatMap((text) => check({ status: response.status, headers: response.headers, text }))
          ))
      )
    )
  }

  /** Sends a call, and returns its answer before the body arrives. */
  open(call: Call): Effect.Effect<HttpClientResponse, S3Error> {
    return this.retried(call, this.limited(call, this.attempt(call)))
  }

  described({ action, call, name }: Call): failures.Described {
    const { bucket, bucketUrl, prefix } = this.settings
    return {
      call,
      action,
      target: `s3://${bucket}${name === undefined ? "" : `/${prefix}${name}`}`,
      host: bucketUrl.host
    }
  }

  unexpected(call: Call, status: number, problem: string): S3Error {
    return failures.unexpected(this.described(call), status, problem)
  }

  private retried<A>(call: Call, attempt: Effect.Effect<A, S3Error>): Effect.Effect<A, S3Error> {
    const isRepeatable = call.isRepeatable ?? true
    return Effect.suspend(() => {
      let count = 0
      const counted = Effect.suspend(() =>
        count++ === 0 ? attempt : Effect.zipRight(metrics.retried(call.call), attempt)
      )
      return Effect.retry(counted, {
        schedule: this.settings.retry,
        while: ({ code, isTransient }) => isTransient && (isRepeatable || (code !== undefined && refused.has(code)))
      })
    })
  }

  /**
   * Ends a call after its limit, also where the caller must not be interrupted. There, an interruption of the caller does
   * not reach the call, because the fiber of the call is not a child.
   */
  private limited<A>(call: Call, effect: Effect.Effect<A, S3Error>): Effect.Effect<A, S3Error> {
    const duration = call.timeout ?? this.settings.timeout
    const ended = Effect.timeoutFail(effect, {
      duration,
      onTimeout: () => failures.timedOut(this.described(call), Duration.format(duration))
    })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkDaemon(Effect.interruptible(ended)),
        (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interrupt(fiber))
      )
    )
  }

  /** Signs and sends a call. If the service says that the credentials have expired, sends it again with others. */
  private attempt(call: Call): Effect.Effect<HttpClientResponse, S3Error> {
    const { expired, get } = this.credentials
    const credentials = Effect.mapError(get, (error) => failures.withoutCredentials(this.described(call), error))
    return Effect.flatMap(credentials, (first) => {
      const sent = this.sendOnce(call, first)
      return expired === undefined ? sent : Effect.catchIf(sent, failures.isExpired, () =>
        expired(first).pipe(
          Effect.zipRight(metrics.retried(call.call)),
          Effect.zipRight(credentials),
          Effect.flatMap((next) => this.sendOnce(call, next))
        ))
    })
  }

  /** Signs and sends a call once. Fails if the answer reports an error. */
  private sendOnce(call: Call, credentials: Credentials): Effect.Effect<HttpClientResponse, S3Error> {
    return Effect.gen(this, function*() {
      const signed = yield* Effect.promise(() => this.signer.sign(call, credentials))
      const request = HttpClientRequest.make(call.method)(signed.url, {
        headers: signed.headers,
        ...(call.body === undefined ? {} : { body: HttpBody.uint8Array(call.body, call.headers?.["content-type"]) })
      })
      const response = yield* Effect.mapError(
        metrics.measured(call.call, Transport.withPlainFetch(this.http.execute(request))),
        (error) => failures.fromTransport(this.described(call), error)
      )
      if (response.status >= 200 && response.status < 300) return response
      const text = call.method === "HEAD" ? "" : yield* Effect.orElseSucceed(readText(response, maxAnswer), () => "")
      return yield* Effect.fail(this.errorOf(call, { status: response.status, headers: response.headers, text }, [
        ...secretsOf(credentials),
        ...Redaction.secretsOfHeaders(signed.headers)
      ]))
    })
  }

  private errorOf(call: Call, answer: Answer, secrets: ReadonlyArray<string>): S3Error {
    return failures.fromAnswer(this.described(call), answer, Redaction.make(secrets))
  }

  /** Returns the error that an answer with a status of success contains. */
  errorWithin(call: Call, answer: Answer): S3Error {
    return failures.fromAnswer(this.described(call), answer, (text) => text)
  }
}
