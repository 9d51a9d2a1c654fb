/**
 * The service that says how much the repositories of a store contain.
 *
 * @since 0.1.0
 */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as StoreError from "./StoreError.js"

/**
 * What repositories contain.
 *
 * @since 0.1.0
 * @category models
 */
export interface Amount {
  /** The size of the blobs and the manifests, in bytes. A blob counts in each repository that has it. */
  readonly bytes: number
  /** The number of manifests. */
  readonly manifests: number
  /** The number of tags. */
  readonly tags: number
}

/**
 * Says how much repositories contain. The numbers are exact: they change together with the content, whichever node
 * changes it. Bytes of open upload sessions do not count.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns what a repository contains: nothing if it does not exist. */
  readonly ofRepository: (repository: RepositoryName) => Effect.Effect<Amount, StoreError.Failed>
  /** Returns what a repository and all repositories below it contain together, such as `team` and `team/app`. */
  readonly ofPrefix: (prefix: RepositoryName) => Effect.Effect<Amount, StoreError.Failed>
}

/**
 * The service that says how much repositories contain.
 *
 * @since 0.1.0
 * @category services
 */
export class Usage extends Context.Tag("@effect-oci/store/Usage")<Usage, Service>() {}
