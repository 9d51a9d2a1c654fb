import * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Pages from "@effect-oci/store/Pages"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { pageSize } from "./layouts.js"
import * as terminal from "./terminal.js"

/** Counts the content of a registry. */
export const stats = Effect.gen(function*() {
  const metadata = yield* MetadataStore.MetadataStore
  const { show } = yield* terminal.progress
  const sums = { repositories: 0, tags: 0, manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 }
  yield* Stream.runForEach(
    Pages.stream(metadata.listRepositories, (name) => name, pageSize),
    (repository) =>
      Effect.gen(function*() {
        sums.repositories++
        yield* show(`counting: ${sums.repositories} repositories, ${sums.manifests} manifests`)
        sums.tags += yield* Stream.runCount(
          Pages.stream(
            (after: Parameters<typeof metadata.listTags>[1], n) => metadata.listTags(repository, after, n),
            (tag) => tag,
            pageSize
          )
        )
        yield* Stream.runForEach(
          Pages.stream(
            (after: Parameters<typeof metadata.inspectManifests>[1], n) =>
              metadata.inspectManifests(repository, after, n),
            ({ descriptor }) => descriptor.digest,
            pageSize
          ),
          ({ descriptor: { size } }) =>
            Effect.sync(() => {
              sums.manifests++
              sums.manifestBytes += size
            })
        )
      })
  )
  yield* Stream.runForEach(
    Pages.stream(metadata.inspectBlobs, ({ descriptor }) => descriptor.digest, pageSize),
    ({ descriptor: { size } }) =>
      Effect.suspend(() => {
        sums.blobs++
        sums.blobBytes += size
        return show(`counting: ${sums.blobs} blobs`)
      })
  )
  yield* terminal.table([
    ["repositories", sums.repositories],
    ["tags", sums.tags],
    ["manifests", `${sums.manifests} (${terminal.bytes(sums.manifestBytes)})`],
    ["blobs", `${sums.blobs} (${terminal.bytes(sums.blobBytes)})`]
  ])
})
