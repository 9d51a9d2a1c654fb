/**
 * The annotation that records which repositories content came from. A later push can mount the content from these
 * repositories.
 *
 * @since 0.1.0
 */
import { RepositoryName } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import * as Context from "effect/Context"

/**
 * The first part of the key of the annotation; the host of the registry follows. The value is a list of repositories,
 * separated by commas. containerd, nerdctl and other programs read and write this annotation.
 *
 * @since 0.1.0
 * @category constants
 */
export const prefix = "containerd.io/distribution.source."

/**
 * A repository of a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Repository {
  /** The registry: `host[:port]`. */
  readonly host: string
  readonly repository: RepositoryName.RepositoryName
}

/** The maximum number of repositories in an annotation. Only the newest are read and kept. */
const most = 16

/**
 * Returns the repositories of a registry that have the content, according to the annotation. The annotation can be wrong:
 * a repository may not have the content.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import type { Descriptor } from "@effect-oci/core"
 * import { DistributionSource } from "@effect-oci/transfer"
 *
 * const mayMount = (layer: Descriptor.Descriptor) => DistributionSource.repositories(layer, "ghcr.io")
 * ```
 */
export const repositories = (
  descriptor: Descriptor.Descriptor,
  host: string
): ReadonlyArray<RepositoryName.RepositoryName> => {
  const key = `${prefix}${host}`
  const annotations = descriptor.annotations
  if (annotations === undefined || !Object.hasOwn(annotations, key)) return []
  return annotations[key]!.slice(0, most * 256).split(",").map((name) => name.trim()).filter(RepositoryName.is)
    .slice(-most)
}

/**
 * Returns the descriptor with one more repository in its annotation, as the newest.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (descriptor: Descriptor.Descriptor, { host, repository }: Repository): Descriptor.Descriptor => {
  const known = repositories(descriptor, host).filter((each) => each !== repository)
  const value = [...known, repository].slice(-most).join(",")
  return { ...descriptor, annotations: { ...descriptor.annotations, [`${prefix}${host}`]: value } }
}

/**
 * The repository that the pushed content comes from, or `undefined` if it is not known. A copy sets it. A target that
 * stores its own descriptors, such as an image layout, records it.
 *
 * @since 0.1.0
 * @category services
 */
export class Current extends Context.Reference<Current>()("@effect-oci/transfer/DistributionSource/Current", {
  defaultValue: (): Repository | undefined => undefined
}) {}
