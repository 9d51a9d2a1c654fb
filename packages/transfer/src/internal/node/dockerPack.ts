import { MediaType } from "@effect-oci/core"
import type { Manifest } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as digestTags from "../digestTags.js"
import { packed } from "./archiveFile.js"
import type { Part } from "./archiveFile.js"
import { manifestName } from "./dockerUnpack.js"
import { blobPath, roots, tagFor } from "./layoutIndex.js"
import type { Entry } from "./layoutIndex.js"
import { LayoutInvalid } from "./layoutInvalid.js"
import { read } from "./layoutReader.js"

const configs: ReadonlySet<string> = new Set([
  MediaType.imageConfig,
  "application/vnd.docker.container.image.v1+json"
])

const hexOf = (digest: string): string => digest.slice(digest.indexOf(":") + 1)

/** Returns the image of an entry, or the reason why an archive of Docker cannot contain it. */
const imageOf = ({ content, descriptor }: Entry): Either.Either<Manifest.Image, string> =>
  Either.flatMap(content, ({ document }) => {
    switch (document._tag) {
      case "Image":
        return configs.has(document.config.mediaType)
          ? Either.right(document)
          : Either.left(`${descriptor.digest} is an artifact (${document.config.mediaType}), not an image`)
      case "Index":
        return Either.left(`${descriptor.digest} is an index of images for several platforms: choose one platform`)
      case "Artifact":
      case "Unknown":
        return Either.left(`${descriptor.digest} is not an image (${descriptor.mediaType})`)
    }
  })

/**
 * Returns the images of a layout as an archive for `docker load`. The images are named `name:tag`. Referrers are left out:
 * such an archive cannot contain them.
 */
export const pack = (layout: string, name: string | undefined): Stream.Stream<Uint8Array, LayoutInvalid> =>
  Stream.unwrap(Effect.gen(function*() {
    const { entries } = yield* read(layout)
    const parts = new Map<string, Part>()
    const manifest = []
    for (const entry of roots(entries)) {
      const tags = [...new Set(entry.listings.flatMap((listing) => tagFor(listing) ?? []))]
      const imageTags = tags.filter((tag) => !digestTags.isDerived(tag))
      const document = Either.isRight(entry.content) ? entry.content.right.document : undefined
      const isReferrer = document !== undefined && "subject" in document && document.subject !== undefined
      if (imageTags.length === 0 && (tags.length > 0 || isReferrer)) continue
      const { config, layers } = yield* Either.mapLeft(
        imageOf(entry),
        (reason) => new LayoutInvalid({ layout, reason })
      )
      const add = (file: string, digest: typeof config.digest) => {
        parts.set(file, { name: file, content: blobPath(layout, digest) })
        return file
      }
      manifest.push({
        Config: add(`${hexOf(config.digest)}.json`, config.digest),
        RepoTags: name === undefined || imageTags.length === 0 ? null : imageTags.map((tag) => `${name}:${tag}`),
        Layers: layers.map(({ digest }) => add(`${hexOf(digest)}.tar`, digest))
      })
    }
    const content = new TextEncoder().encode(JSON.stringify(manifest))
    return packed(layout, [...parts.values(), { name: manifestName, content }])
  }))
