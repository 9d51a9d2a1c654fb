import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Effect from "effect/Effect"
import type * as Wire from "../Wire.js"

/**
 * A response as a client receives it. `bytes` reads the whole body, and fails with `SizeInvalid` if the body is larger
 * than the limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Received extends Wire.Response {
  /** The final URL of the request, after redirects. Relative locations are resolved against it. */
  readonly url: string
  /**
   * The origin of the registry. Targets without an origin are requested there. Default: the origin of `url`, which
   * differs if the request was redirected.
   */
  readonly origin?: string | undefined
  readonly bytes: (limit: number) => Effect.Effect<Uint8Array, RegistryError>
}

/**
 * The maximum size of each kind of body, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly manifest: number
  readonly page: number
}

/**
 * A received page of a list, and the target of the next page as written.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReceivedPage<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | undefined
  /** Whether the registry says that it filtered by artifact type (`OCI-Filters-Applied`). */
  readonly filtered: boolean
}

/**
 * The default limits: manifests of 8 MiB, twice the size that registries must accept, and pages of 4 MiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = { manifest: 8 * 1024 * 1024, page: 4 * 1024 * 1024 }
