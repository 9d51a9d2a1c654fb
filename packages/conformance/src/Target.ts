/**
 * The inputs of a check: an HTTP connection to a registry, and two repositories that only this check uses.
 *
 * @since 0.1.0
 */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/**
 * An HTTP request. `path` includes the query and is percent-encoded. If there is a body, `Content-Length` is added.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: { readonly [name: string]: string } | undefined
  readonly body?: Uint8Array | undefined
}

/**
 * An HTTP response with its complete body. Header names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received {
  readonly sent: Sent
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly body: Uint8Array
}

/**
 * The request could not be sent, or no response or only a part of the response arrived.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unreachable extends Data.TaggedError("OciUnreachable")<{ readonly sent: Sent; readonly cause: unknown }> {
  /** The cause of the failure, without the request. */
  get reason(): string {
    return root(this.cause)
  }

  override get message(): string {
    return `${this.sent.method} ${this.sent.path}: no whole response: ${this.reason}`
  }
}

/** Returns the innermost cause, because the errors that HTTP clients wrap around it say little. */
const root = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? root(cause.cause) : cause.message || cause.name
}

/**
 * Sends requests to the registry under test.
 *
 * @since 0.1.0
 * @category services
 */
export class Wire extends Context.Tag("@effect-oci/conformance/Wire")<Wire, {
  readonly send: (request: Sent) => Effect.Effect<Received, Unreachable>
}>() {}

/**
 * The features that the registry under test supports. By default the suite expects all of them ({@link everything}).
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** The version of the spec. Rules that became a must after 1.1 are checked only with `dev`. */
  readonly version: "1.1" | "dev"
  /** Whether the registry accepts writes. The suite checks that a read-only registry refuses them. */
  readonly push: boolean
  readonly deleteBlob: boolean
  readonly deleteManifest: boolean
  readonly deleteTag: boolean
  readonly referrers: boolean
  readonly catalog: boolean
  /** Digests with the algorithm sha512. */
  readonly sha512: boolean
  /** Digests with the algorithm blake3, which is not part of the versions 1.1 of the specs. */
  readonly blake3: boolean
  /** Several tags in one manifest push, with `?tag=`. */
  readonly tagParameter: boolean
  /** `DELETE` of an upload session. */
  readonly cancelUpload: boolean
  /** Indexes that list manifests which do not exist. */
  readonly sparseIndex: boolean
  /** A mount without a source repository. */
  readonly anonymousMount: boolean
  /** `If-None-Match: *` and `If-Match` on a push by tag. */
  readonly conditionalPush: boolean
}

/**
 * All features of the spec's version `dev`: the default capabilities.
 *
 * @since 0.1.0
 * @category constants
 */
export const everything: Capabilities = {
  version: "dev",
  push: true,
  deleteBlob: true,
  deleteManifest: true,
  deleteTag: true,
  referrers: true,
  catalog: true,
  sha512: true,
  blake3: true,
  tagParameter: true,
  cancelUpload: true,
  sparseIndex: true,
  anonymousMount: true,
  conditionalPush: true
}

/**
 * The two repositories that a check uses, and the capabilities of the registry. While the check runs, no other check
 * uses these repositories.
 *
 * @since 0.1.0
 * @category services
 */
export class Target extends Context.Tag("@effect-oci/conformance/Target")<Target, {
  readonly repository: RepositoryName
  readonly other: RepositoryName
  readonly capabilities: Capabilities
}>() {}
