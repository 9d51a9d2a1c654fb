/**
 * Changes manifests during a copy.
 *
 * @since 0.1.0
 */
import { Manifest, MediaType } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { encoded } from "./internal/rewrite.js"
import type { Transform } from "./internal/rewrite.js"

export type { Transform } from "./internal/rewrite.js"

/** The media types that old versions of Docker's registry and builders gave to a config. */
const legacy: ReadonlySet<string> = new Set(["application/octet-stream", "text/html"])

/**
 * Sets the media type of a Docker image's config to the current one, if it is one that programs before 2017 wrote. Today's
 * registries and runtimes refuse those old media types. Other manifests are returned as they are, byte for byte.
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
