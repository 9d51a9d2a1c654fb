/**
 * What a check has before it: a registry that speaks HTTP, and two repositories of its own in it.
 *
 * @since 0.1.0
 */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

/**
 * A request as it goes over the wire: `path` with its query, percent-encoded. A `Content-Length` is added for a body.
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
 * The response, its body read to the end. Header names are in lower case.
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
 * The request could not be sent, or no response came, or not all of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly sent: Sent; readonly cause: unknown }> {
  /** What went wrong, without what was asked. */
  get reason(): string {
    return root(this.cause)
  }

  override get message(): string {
    return `${this.sent.method} ${this.sent.path}: no whole response: ${this.reason}`
  }
}

/** What clients of HTTP say of it is of little help: what they met is. */
const root = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? root(cause.cause) : cause.message || cause.name
}

/**
 * Sends requests to the registry that is checked.
 *
 * @since 0.1.0
 * @category services
 */
export class Wire extends Context.Tag("@effect-oci/conformance/Wire")<Wire, {
  readonly send: (request: Sent) => Effect.Effect<Received, Unreachable>
}>() {}

/**
 * What the registry that is checked is known not to do. All is expected of it unless said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** The version of the spec: what became a must after 1.1 is asked of `dev` alone. */
  readonly version: "1.1" | "dev"
  /** Whether it can be written to: a read-only registry is asked what it must refuse. */
  readonly push: boolean
  readonly deleteBlob: boolean
  readonly deleteManifest: boolean
  readonly deleteTag: boolean
  readonly referrers: boolean
  readonly catalog: boolean
  /** Digests of algorithm sha512. */
  readonly sha512: boolean
  /** Several tags in one push, `?tag=`. */
  readonly tagParameter: boolean
  /** `DELETE` of an upload. */
  readonly cancelUpload: boolean
  /** Indexes that name manifests which are not there. */
  readonly sparseIndex: boolean
  /** A mount without a source. */
  readonly anonymousMount: boolean
  /** `If-None-Match: *` on a push by tag. */
  readonly conditionalPush: boolean
}

/**
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
  tagParameter: true,
  cancelUpload: true,
  sparseIndex: true,
  anonymousMount: true,
  conditionalPush: true
}

/**
 * What a check works on. Nobody else uses its two repositories while it runs.
 *
 * @since 0.1.0
 * @category services
 */
export class Target extends Context.Tag("@effect-oci/conformance/Target")<Target, {
  readonly repository: RepositoryName
  readonly other: RepositoryName
  readonly capabilities: Capabilities
}>() {}
