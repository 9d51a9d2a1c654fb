import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import type * as Wire from "../Wire.js"

/**
 * A response as a client has it: `bytes` reads its whole body, at most so many bytes, and fails with a `SizeInvalid`
 * where there are more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received extends Wire.Response {
  /** Where the request went at last: what relative locations are relative to. */
  readonly url: string
  /** The registry's own origin, to which targets without one go: that of `url`, unless the request was redirected. */
  readonly origin?: string | undefined
  readonly bytes: (limit: number) => Effect.Effect<Uint8Array, RegistryError>
}

/**
 * The most that is read of each kind of body, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly manifest: number
  readonly page: number
}

/**
 * A page of a list as it was received, and the target of the next, as it was written.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceivedPage<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | undefined
  /** Whether the registry says that it applied the filter by artifact type (`OCI-Filters-Applied`). */
  readonly filtered: boolean
}
