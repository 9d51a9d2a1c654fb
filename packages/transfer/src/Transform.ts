/**
 * Other forms for manifests on their way.
 *
 * @since 0.1.0
 */
import { Manifest, MediaType } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { encoded } from "./internal/rewrite.js"

/**
 * Makes a manifest another, or leaves it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transform {
  (manifest: Manifest.Manifest): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError>
}

/** What Docker's registry and builders of old called a config. */
const legacy: ReadonlySet<string> = new Set(["application/octet-stream", "text/html"])

/**
 * Gives the config of a Docker image its media type, where it has one of those that programs of before 2017 wrote, and
 * that registries and runtimes refuse today. All else stays byte for byte.
 *
 * @since 0.1.0
 * @category transforms
 */
export const dockerConfig: Transform = (manifest) =>
  Effect.map(
    Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes }),
    (document) => {
      if (document._tag !== "Image" || document.mediaType !== MediaType.dockerImage) return manifest
      if (!legacy.has(document.config.mediaType)) return manifest
      const json = JSON.parse(new TextDecoder().decode(manifest.bytes)) as { readonly config: object }
      return encoded(manifest.descriptor.mediaType, {
        ...json,
        config: { ...json.config, mediaType: "application/vnd.docker.container.image.v1+json" }
      })
    }
  )
