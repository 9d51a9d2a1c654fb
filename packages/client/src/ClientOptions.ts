/**
 * The options of a client.
 *
 * @since 0.1.0
 */
import type * as Auth from "@effect-oci/auth/Auth"
import type * as UploadIds from "@effect-oci/core/UploadIds"
import type * as Pace from "@effect-oci/transport/Pace"
import type * as Retry from "@effect-oci/transport/Retry"
import type * as Warnings from "@effect-oci/transport/Warnings"
import type * as WireLog from "@effect-oci/transport/WireLog"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

/**
 * The largest manifests and pages that the client reads or sends, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** The largest manifest that the client pulls. Default: 8 MiB. */
  readonly manifest?: number | undefined
  /** The largest manifest that the client pushes. Default: 4 MiB, which every registry accepts. */
  readonly pushedManifest?: number | undefined
  /** The largest page of a list that the client reads. Default: 4 MiB. */
  readonly page?: number | undefined
}

/**
 * Options for a client: which registry it calls, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The registry's host: `registry.example.com`, `localhost:5000`, `[::1]:5000`. Docker Hub's host is
   * `registry-1.docker.io`.
   */
  readonly host: string
  /** Whether to use plain HTTP. Anyone on the network path can read it. Default: `false`. */
  readonly insecure?: boolean | undefined
  /** The path before `/v2`, for a registry that is not at the root of its host: `/mirror`. */
  readonly path?: string | undefined
  /**
   * The path of the API itself, for a registry that has no `/v2`: `/artifactory/api/docker/remote`. Default: `/v2` below
   * `path`.
   */
  readonly apiPath?: string | undefined
  /** How many items of a list the client requests at a time. Default: 1000. */
  readonly pageSize?: number | undefined
  /** How many pages a list may have. Default: 10,000. */
  readonly maxPages?: number | undefined
  /**
   * How many items the client sorts if the registry returns a list out of order. A longer list of that kind fails with
   * `ResponseInvalid`. Default: 100,000.
   */
  readonly maxSorted?: number | undefined
  readonly limits?: Limits | undefined
  /** Whether to push a blob in one request if the registry supports it. Not every registry does. Default: `false`. */
  readonly singlePost?: boolean | undefined
  /**
   * The size of the chunks in which the client pushes larger blobs, in bytes. Set it if a proxy in front of the
   * registry limits the size of requests. The client keeps one chunk in memory. Default: a blob is sent whole, but in a
   * browser a stream is sent in chunks of 8 MiB, because browsers send no streams.
   */
  readonly chunkSize?: number | undefined
  /** How long the registry may take to answer, and to send each 16 KiB of an answer. Default: 60 seconds. */
  readonly idle?: Duration.DurationInput | undefined
  /**
   * How long the registry may take to commit a blob, a chunk or a manifest after the client has sent all of it.
   * Default: 10 minutes, or `idle` if that is longer.
   */
  readonly commitTimeout?: Duration.DurationInput | undefined
  /**
   * Whether the registry may direct uploads to another scheme, host or port, as the
   * [spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs) allows. The client
   * never sends credentials there. See CVE-2026-50151. Default: `true`.
   */
  readonly foreignUploads?: boolean | undefined
  /**
   * The key that signs the ids of uploads: at least 16 random characters. Of several keys, the first signs, and all
   * verify. The client binds each id to the repository where the upload was opened, and answers `BlobUploadUnknown` for
   * any other repository. Processes that continue each other's uploads must share the keys. Default: a random key for
   * each process. An empty key is a `RangeError`.
   */
  readonly uploadKey?: UploadIds.Key | undefined
}

/**
 * Options for the transports that `Client.layer` adds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportOptions {
  /** The `User-Agent` header. Default: `UserAgent.defaultUserAgent`, but a browser sends its own. */
  readonly userAgent?: string | undefined
  /** How many redirects of one request the client follows. Default: 10. */
  readonly maxRedirects?: number | undefined
  /**
   * How the client authenticates to the registry and its token servers. It uses the `Credentials` that are provided, or
   * is anonymous. `false` turns authentication off.
   */
  readonly auth?: Omit<Auth.Options, "origin"> | false | undefined
  /** Which requests the client sends again, and when. */
  readonly retry?: Retry.Options | undefined
  /** How fast the client sends requests to each host. */
  readonly pace?: Pace.Options | undefined
  /**
   * The hosts that the registry may lead to although they are at an address of this machine or of a private network:
   * `minio.corp`, `10.0.0.6:9000`. `true` allows all. Default: only the registry's own host.
   */
  readonly allowPrivate?: boolean | ReadonlyArray<string> | undefined
  /** How requests are logged. Default: at the level `Debug`. */
  readonly log?: WireLog.Options | undefined
  /** Receives the warnings of the registry (`Warning` header), each text once. Default: logs them. */
  readonly onNotice?: ((notice: Warnings.Notice) => Effect.Effect<void>) | undefined
}
