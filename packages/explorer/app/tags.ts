/** What the page reads about tags. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Operation from "@effect-oci/core/Operation"
import { TransportError } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import type { Connection } from "./connection.js"
import * as content from "./content.js"
import type { Read } from "./live.js"

/** What is known about a tag. */
export interface Details {
  readonly descriptor: Descriptor
  /** When the image was made, if that was read and the image says it. */
  readonly created?: string | undefined
}

const concurrency = 6

/** Reads the descriptor of a tag. Some registries do not answer to HEAD with all headers, or a page may not see them. */
const resolve = ({ registry }: Connection, repository: RepositoryName, reference: Operation.TagOrDigest) =>
  Effect.catchAll(registry.resolveManifest(repository, reference), (error) =>
    error instanceof TransportError
      ? Effect.fail(error)
      : Effect.map(registry.getManifest(repository, reference), ({ descriptor }) => descriptor))

/**
 * Reads the details of tags, and shows them as they arrive. A tag that cannot be read is left out: its row stays without
 * details. With `dates`, reads also when the images were made, which needs two or three requests for each.
 */
export const details = (
  connection: Connection,
  repository: RepositoryName,
  tags: ReadonlyArray<Tag>,
  dates: boolean
): Read<ReadonlyMap<string, Details>> =>
(show) =>
  Effect.suspend(() => {
    const found = new Map<string, Details>()
    let shown = performance.now()
    const one = (tag: Tag): Effect.Effect<void, RegistryError> =>
      Effect.gen(function*() {
        const descriptor = yield* resolve(connection, repository, tag)
        const created = dates ? yield* content.created(connection, repository, descriptor.digest) : undefined
        found.set(tag, { descriptor, created })
        if (performance.now() - shown < 150) return
        shown = performance.now()
        show(new Map(found))
      }).pipe(Effect.catchAll((error) => error instanceof TransportError ? Effect.fail(error) : Effect.void))
    return Effect.as(Effect.forEach(tags, one, { concurrency, discard: true }), found)
  })
