/**
 * A small S3 in memory, for tests: the operations that a blob store needs, signatures, and faults by a script.
 *
 * It answers as [Amazon's reference](https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html) says. ETags are the
 * MD5 of an object, or `MD5-N` of an object of N parts.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import { RequestError } from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { failed, failures } from "./internal/s3/answer.js"
import type { Answer, Failure } from "./internal/s3/answer.js"
import { route } from "./internal/s3/call.js"
import type { Operation } from "./internal/s3/call.js"
import { chooser } from "./internal/s3/faults.js"
import type { Fault, Outcome, Rule } from "./internal/s3/faults.js"
import { perform } from "./internal/s3/perform.js"
import { respond } from "./internal/s3/respond.js"
import { refused } from "./internal/s3/signature.js"
import type { Credentials } from "./internal/s3/signature.js"
import { emptyBucket } from "./internal/s3/state.js"
import type { Dialect, State } from "./internal/s3/state.js"

export type { Credentials, Dialect, Failure, Fault, Operation, Outcome, Rule }
export { failures }

/**
 * Options for the small S3.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The buckets that exist at the start. Default: `bucket`. */
  readonly buckets?: ReadonlyArray<string>
  /** Default: {@link credentials}. */
  readonly credentials?: ReadonlyArray<Credentials>
  /** Default: `us-east-1`. */
  readonly region?: string
  /**
   * Whose behaviour this S3 has where servers differ. Ceph ignores `If-None-Match` at CompleteMultipartUpload, requires
   * it to name all parts, and answers it with 500 for an upload that was aborted. Default: `amazon`.
   */
  readonly dialect?: Dialect
  /** The least size of a part, except for the last part, in bytes. Default: 5 MiB. */
  readonly minPartSize?: number
  /** How long a new key is missing from lists, by the clock. Default: 0. */
  readonly listDelay?: Duration.DurationInput
  readonly faults?: ReadonlyArray<Rule>
}

/**
 * A call that S3 received.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  /** Counted from 1. */
  readonly number: number
  readonly operation: Operation
  readonly bucket: string
  /** Empty for an operation on a bucket. */
  readonly key: string
  readonly fault: Fault | undefined
  /** The status that the client received. Absent if S3 did not answer. */
  readonly status?: number
  /** The code of the error that the client received. */
  readonly code?: string
}

/**
 * The connection closed before an answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<{ readonly cause?: unknown }> {
  override get message(): string {
    return "the connection was lost"
  }
}

/**
 * A small S3.
 *
 * @since 0.1.0
 * @category models
 */
export interface S3 {
  /** Answers a request, by the clock of the caller. */
  readonly handle: (request: Request) => Effect.Effect<Response, ConnectionLost>
  /** The calls so far, in order. */
  readonly calls: ReadonlyArray<Call>
  /** Replaces the faults, and counts calls from the start. The record of calls becomes empty. */
  readonly script: (rules: ReadonlyArray<Rule>) => void
  /** Returns the objects of a bucket by key. */
  readonly objects: (bucket?: string) => ReadonlyMap<string, Uint8Array>
  /** Returns the keys of the multipart uploads in progress by upload id. */
  readonly uploads: (bucket?: string) => ReadonlyMap<string, string>
}

const defaultBucket = "bucket"

/**
 * The credentials that the small S3 accepts by default.
 *
 * @since 0.1.0
 * @category constants
 */
export const credentials: Credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret/of+the+tests" }

const makeState = (options: Options): State => {
  const { buckets = [defaultBucket], dialect = "amazon", listDelay = 0, minPartSize = 5 * 1024 * 1024 } = options
  let ids = 0
  return {
    dialect,
    buckets: new Map(buckets.map((name) => [name, emptyBucket()])),
    minPartSize,
    listDelay: Duration.toMillis(listDelay),
    newId: () => `${String(++ids).padStart(9, "0")}.${randomBytes(24).toString("base64url")}`
  }
}

/** Returns the client's view of an outcome. */
const outcome = (seen: Outcome = "reset"): Effect.Effect<Answer, ConnectionLost> =>
  seen === "reset"
    ? Effect.fail(new ConnectionLost({}))
    : seen === "stall"
    ? Effect.never
    : Effect.succeed(failed(seen))

const withoutConditions = (headers: Headers): Headers => {
  const rest = new Headers(headers)
  rest.delete("if-match")
  rest.delete("if-none-match")
  return rest
}

/**
 * Creates an S3.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): S3 => {
  const accepted = options.credentials ?? [credentials]
  const region = options.region ?? "us-east-1"
  const state = makeState(options)
  const calls: Array<Call> = []
  let choose = chooser(options.faults ?? [])

  const answer = Effect.fn("S3.answer")(function*(request: Request, url: URL, call: Call) {
    const { fault, ...place } = call
    const body = yield* Effect.tryPromise({
      try: async () => new Uint8Array(await request.arrayBuffer()),
      catch: (cause) => new ConnectionLost({ cause })
    })
    const { headers, method } = request
    const now = yield* Clock.currentTimeMillis
    const denied = refused({ method, url, headers, body, now }, accepted, region)
    if (denied !== undefined) return failed(denied)
    if (fault?._tag === "Fail") return yield* outcome(fault.outcome)
    const done = perform({
      ...place,
      query: url.searchParams,
      headers: fault?._tag === "IgnoreConditions" ? withoutConditions(headers) : headers,
      body,
      now,
      ...fault?._tag === "RefuseKeys" ? { refuse: fault.failure } : {}
    }, state)
    return fault?._tag === "Lose" ? yield* outcome(fault.outcome) : done
  })

  const handle = Effect.fn("S3.handle")(function*(request: Request) {
    const url = new URL(request.url)
    const { bucket, key, operation } = route(request.method, url, state.buckets.keys())
    const fault = choose(operation, key)
    const recorded = calls
    const number = recorded.length + 1
    const call: Call = { number, operation, bucket, key, fault }
    recorded.push(call)
    if (fault?._tag === "Slow") yield* Effect.sleep(fault.answer ?? 0)
    const result = yield* answer(request, url, call)
    const code = result.failure === undefined ? {} : { code: result.failure.code }
    if (recorded[number - 1] === call) recorded[number - 1] = { ...call, status: result.status, ...code }
    return respond(request.method, result, fault, String(number), yield* Effect.runtime())
  })

  const bucketOf = (name = defaultBucket) => state.buckets.get(name) ?? emptyBucket()
  return {
    handle,
    calls,
    script: (rules) => {
      choose = chooser(rules)
      calls.length = 0
    },
    objects: (name) => new Map([...bucketOf(name).objects].map(([key, { bytes }]) => [key, bytes])),
    uploads: (name) => new Map([...bucketOf(name).uploads].map(([id, { key }]) => [id, key]))
  }
}

/** Returns a `fetch` whose answers come from this S3, by the real clock. */
export const fetch = (s3: S3): typeof globalThis.fetch => (input, init) => {
  const request = new Request(input, init)
  return Effect.runPromise(s3.handle(request), { signal: request.signal })
}

const bytesOf = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Uint8Array | undefined, RequestError> => {
  switch (request.body._tag) {
    case "Empty":
      return Effect.succeed(undefined)
    case "Uint8Array":
      return Effect.succeed(request.body.body)
    case "Stream":
      return Stream.runCollect(request.body.stream).pipe(
        Effect.map((chunks) => Buffer.concat([...chunks])),
        Effect.mapError((cause) => new RequestError({ request, reason: "Encode", cause }))
      )
    case "Raw":
    case "FormData":
      return Effect.dieMessage("S3 reads bytes and streams only")
  }
}

/**
 * Returns an HTTP client whose answers come from this S3, by the clock of the caller.
 *
 * @since 0.1.0
 * @category clients
 */
export const client = (s3: S3): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.flatMap(bytesOf(request), (body) => {
      const headers = new Headers(request.headers)
      if (request.body._tag === "Stream" && request.body.contentLength === undefined) {
        headers.set("transfer-encoding", "chunked")
      }
      return s3.handle(
        new Request(url, {
          method: request.method,
          headers,
          signal,
          ...body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }
        })
      ).pipe(
        Effect.map((response) => HttpClientResponse.fromWeb(request, response)),
        Effect.mapError((cause) => new RequestError({ request, reason: "Transport", cause }))
      )
    })
  )

/**
 * Creates a layer of {@link client}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (s3: S3): Layer.Layer<HttpClient.HttpClient> => Layer.succeed(HttpClient.HttpClient, client(s3))
