/**
 * Where content came from: the annotation by which those who push it find repositories to mount it from.
 *
 * @since 0.1.0
 */
import { RepositoryName } from "@effect-oci/core"
import type { Descriptor } from "@effect-oci/core"
import * as Context from "effect/Context"

/**
 * What the key of the annotation begins with; the registry's host follows. Its value is a list of repositories,
 * separated by commas. Written and read by containerd, nerdctl and others.
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
export interface Place {
  /** The registry: `host[:port]`. */
  readonly host: string
  readonly repository: RepositoryName.RepositoryName
}

/** More than so many are not read, and not kept: the newest count. */
const most = 16

/**
 * The repositories of a registry that have the content, as its annotation says, or may have: the annotation can be wrong.
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
 * The same descriptor, with one more place that its content came from.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (descriptor: Descriptor.Descriptor, { host, repository }: Place): Descriptor.Descriptor => {
  const known = repositories(descriptor, host).filter((each) => each !== repository)
  const value = [...known, repository].slice(-most).join(",")
  return { ...descriptor, annotations: { ...descriptor.annotations, [`${prefix}${host}`]: value } }
}

/**
 * Where the content comes from that is being pushed, if that is known: a copy says so, and a target that keeps
 * descriptors of its own, as an image layout does, writes it down.
 *
 * @since 0.1.0
 * @category services
 */
export class Current extends Context.Reference<Current>()("@effect-oci/transfer/DistributionSource/Current", {
  defaultValue: (): Place | undefined => undefined
}) {}
