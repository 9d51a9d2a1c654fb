/**
 * A `BlobStore` in a bucket of S3, or of a service with the same API, for any number of servers at once.
 *
 * ```text
 * blobs/KEY                          a blob
 * uploads/KEY.ID/open                an open upload
 * uploads/KEY.ID/parts               it may have a multipart upload
 * uploads/KEY.ID/FENCE-OFFSET-SIZE   the rest of a chunk that does not fill a part
 * ```
 *
 * - Bodies stream both ways. A blob of up to 8 MiB is put with one call. A larger one is a multipart upload with parts
 *   of 8 MiB.
 * - The token of an upload contains its state, so each chunk of an upload may arrive at another server.
 * - Every body is signed with its digest: the service refuses bytes that changed on the way.
 * - A call that fails is repeated if that may help. `Failed` has an `S3Error` as its cause, whose message says what to
 *   do.
 *
 * Uses no API of Node. Give it an HTTP client without a guard against private addresses if the endpoint is private, such
 * as `NodeHttpClient.layerUndici` of `@effect/platform-node`, or `FetchHttpClient.layer` anywhere.
 *
 * @since 0.1.0
 */
import { BlobStore } from "@effect-oci/store/BlobStore"
import type { Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as IdleTimer from "@effect-oci/transport/IdleTimer"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Api } from "./internal/api.js"
import * as buffers from "./internal/buffers.js"
import { Client } from "./internal/client.js"
import * as lists from "./internal/lists.js"
import * as names from "./internal/names.js"
import { Puts } from "./internal/puts.js"
import { Reader } from "./internal/reading.js"
import * as redirects from "./internal/redirects.js"
import type { Settings } from "./internal/settings.js"
import { Uploads } from "./internal/uploads.js"
import { S3Credentials } from "./S3Credentials.js"
import type { S3Error } from "./S3Error.js"

/**
 * Options for a blob store in S3.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The URL of the service, for example `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string
  /** The name of the bucket. It must exist. */
  readonly bucket: string
  /** The region of the bucket. Services without regions accept `us-east-1` or `auto`. */
  readonly region: string
  /**
   * Whether the bucket is a part of the path (`https://host/bucket/key`), and not of the host (`https://bucket.host/key`).
   * Services other than AWS often require it. Default: `false`.
   */
  readonly forcePathStyle?: boolean | undefined
  /** What the names of all objects begin with, for example `registry/`. Default: nothing. */
  readonly prefix?: string | undefined
  /**
   * Whether clients of the registry may fetch blobs from the service directly, by URLs with a signature. The URLs are
   * valid for a limited time for everyone who has them. Default: `false`.
   */
  readonly redirect?: boolean | undefined
  /** The URL at which clients of the registry reach the service, if it is not `endpoint`. */
  readonly redirectEndpoint?: string | undefined
  /** How long one call may take without an answer, and a body without progress. Default: 1 minute. */
  readonly timeout?: Duration.DurationInput | undefined
  /** When a call that failed is repeated. It must end. Default: 6 times in about 10 seconds. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * The size of the parts of a large blob, in bytes. S3 accepts 5 MiB to 5 GiB, and 10,000 parts: with the default, a
   * blob has at most 78 GiB. Uploads that are open continue with the size that they began with. Default: 8 MiB.
   */
  readonly partSize?: number | undefined
  /** How many parts of one upload are sent at the same time. Default: 2. */
  readonly concurrency?: number | undefined
  /**
   * How many bytes all uploads together hold in memory. More uploads wait for memory. One upload holds at most
   * `concurrency` + 1 parts. Default: 256 MiB.
   */
  readonly memory?: number | undefined
}

/**
 * An option is not valid.
 *
 * @since 0.1.0
 * @category errors
 */
export class OptionInvalid extends Data.TaggedError("OciOptionInvalid")<{ readonly message: string }> {}

/**
 * Repeats a call 6 times: after about 0.1, 0.2, 0.4 … seconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.intersect(
  Schedule.jittered(Schedule.exponential("150 millis")),
  Schedule.recurs(6)
)

const invalid = (message: string) => Effect.fail(new OptionInvalid({ message }))

const urlOf = (name: string, { bucket, forcePathStyle = false }: Options, endpoint: string) => {
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    return invalid(`the option ${name} must be a URL that begins with https:// or http://, not ${endpoint}`)
  }
  const url = new URL(endpoint)
  const path = url.pathname.replace(/\/*$/, "/")
  if (!forcePathStyle) url.host = `${bucket}.${url.host}`
  url.pathname = forcePathStyle ? `${path}${bucket}/` : path
  url.search = ""
  return Effect.succeed(url)
}

const settingsOf = (options: Options): Effect.Effect<Settings, OptionInvalid> => {
  const { bucket, prefix = "" } = options
  if (!/^[a-z\d][a-z\d._-]{1,62}$/i.test(bucket)) {
    return invalid(`the option bucket is not the name of a bucket: ${bucket}`)
  }
  if (!/^([\w!.*'()-]+\/)*$/.test(prefix) || /(^|\/)\.\.?\//.test(prefix)) {
    return invalid(`the option prefix must be empty or a path that ends with a slash, not ${prefix}`)
  }
  return Effect.map(urlOf("endpoint", options, options.endpoint), (bucketUrl) => ({
    bucketUrl,
    bucket,
    region: options.region,
    prefix,
    timeout: Duration.decode(options.timeout ?? "1 minute"),
    retry: options.retry ?? defaultRetry,
    concurrency: options.concurrency ?? 2,
    partSize: options.partSize ?? 8 * 1024 * 1024,
    memory: options.memory ?? 256 * 1024 * 1024
  }))
}

const failed = (cause: S3Error) => new StoreError.Failed({ cause })

/**
 * Opens the blob store in a bucket. It makes no call until it is used.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Service, OptionInvalid, HttpClient.HttpClient | S3Credentials> =>
  Effect.gen(function*() {
    const resolved = yield* settingsOf(options)
    const client = new Client(resolved, yield* HttpClient.HttpClient, yield* S3Credentials)
    const api = new Api(client)
    const reader = new Reader(api, yield* IdleTimer.make(resolved.timeout))
    const makeBuffers = buffers.make(resolved)
    const puts = new Puts(api, makeBuffers, resolved)
    const uploads = new Uploads(api, reader, makeBuffers, resolved)
    const publicUrl = yield* urlOf("redirectEndpoint", options, options.redirectEndpoint ?? options.endpoint)
    return {
      granularity: resolved.partSize,
      put: (put) => puts.put(put),
      read: (key, span) => reader.readBlob(key, span),
      openUpload: (open) => uploads.open(open),
      append: (append) => uploads.append(append),
      commit: (commit) => uploads.commit(commit),
      abort: (token) => uploads.abort(token),
      delete: (keys) =>
        Effect.mapError(api.deleteAll(keys.filter(names.isKey).map(names.blob)), failed).pipe(
          Effect.map((gone) => keys.filter((key) => !names.isKey(key) || gone.has(names.blob(key))))
        ),
      list: (after, n) => Effect.mapError(lists.blobs(api, after, n), failed),
      listUploads: (after, n) => Effect.mapError(lists.uploads(api, after, n), failed),
      ...(options.redirect === true ? { redirectUrl: redirects.make(client, publicUrl) } : {})
    }
  })

/**
 * Creates a layer of the blob store in a bucket.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Memory, Store } from "@effect-oci/store"
 * import { S3BlobStore, S3Credentials } from "@effect-oci/store-s3"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const blobs = S3BlobStore.layer({
 *   endpoint: "https://s3.eu-central-1.amazonaws.com",
 *   bucket: "registry",
 *   region: "eu-central-1"
 * }).pipe(Layer.provide([S3Credentials.layerConfig, FetchHttpClient.layer]))
 *
 * const registry = Store.layer().pipe(Layer.provide([blobs, Memory.layerMetadataStore()]))
 * ```
 */
export const layer = (
  options: Options
): Layer.Layer<BlobStore, OptionInvalid, HttpClient.HttpClient | S3Credentials> =>
  Layer.effect(BlobStore, make(options))

/**
 * Creates a layer of the blob store in a bucket. Its options come from the configuration.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { S3BlobStore } from "@effect-oci/store-s3"
 * import { Config } from "effect"
 *
 * const blobs = S3BlobStore.layerConfig({
 *   endpoint: Config.string("S3_ENDPOINT"),
 *   bucket: Config.string("S3_BUCKET"),
 *   region: Config.string("AWS_REGION")
 * })
 * ```
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<BlobStore, OptionInvalid | ConfigError, HttpClient.HttpClient | S3Credentials> =>
  Layer.effect(BlobStore, Effect.flatMap(Config.unwrap(options), make))
