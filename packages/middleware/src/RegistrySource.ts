/**
 * Registries as options of a wrapper: a registry, or a layer that builds one.
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core"
import type * as Layer from "effect/Layer"

/**
 * A registry, or a layer of it.
 *
 * @since 0.1.0
 * @category models
 */
export type RegistrySource = Registry.Service | Layer.Layer<Registry, unknown, unknown>

/**
 * The errors with which the layer of a source fails.
 *
 * @since 0.1.0
 * @category type level
 */
export type ErrorOf<Source extends RegistrySource> = Source extends Layer.Layer<infer _A, infer E, infer _R> ? E : never

/**
 * The requirements of the layer of a source.
 *
 * @since 0.1.0
 * @category type level
 */
export type RequirementsOf<Source extends RegistrySource> = Source extends Layer.Layer<infer _A, infer _E, infer R> ? R
  : never
