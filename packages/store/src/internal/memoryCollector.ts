import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as MetadataStore from "../MetadataStore.js"
import type { Entry, Repository } from "./memoryRepository.js"
import type { ReviewId, State } from "./memoryState.js"

type Commands = Pick<
  MetadataStore.Service,
  "expireUploads" | "review" | "claimGarbage" | "forgetGarbage" | "unknownKeys"
>

/** Returns whether something keeps a manifest: a tag, a parent or its subject. */
const isKept = (entry: Entry, repository: Repository): boolean =>
  entry.tags.size > 0 ||
  repository.parentOf(entry.manifest.descriptor.digest) !== undefined ||
  repository.subjectOf(entry) !== undefined

/** Reviews one manifest or blob. Returns whether it was removed. */
const reviewOne = (state: State, id: ReviewId, { grace, readable, untagged }: MetadataStore.ReviewPolicy): boolean => {
  const [kind, name, digest] = id.split(" ") as ["manifest" | "blob", RepositoryName, Digest]
  state.reviews.delete(id)
  const repository = state.repositories.get(name)
  const entry = kind === "manifest" ? repository?.find(digest) : undefined
  const content = entry ?? repository?.blobs.get(digest)
  if (repository === undefined || content === undefined || (kind === "manifest" && entry === undefined)) return false
  const kept = entry === undefined ? repository.sourceOfBlob(digest) !== undefined : isKept(entry, repository)
  if (kept) return false
  if (content.leasedUntil > state.now()) {
    state.reviews.set(id, content.leasedUntil - Duration.toMillis(grace))
    return false
  }
  if (entry !== undefined && untagged === "keep") {
    // Without a grace, the next review would be due at once, and a pass would not end.
    if (Duration.toMillis(grace) > 0) state.reviews.set(id, state.now())
    return false
  }
  if (entry === undefined) state.unlink(name, digest, readable)
  else state.deleteManifest(entry, repository)
  return true
}

/** Creates the commands of the collector for a metadata store in memory. */
export const make = (state: State): Commands => ({
  expireUploads: (n) =>
    Effect.sync(() => {
      for (const upload of state.sessions.expired(state.now(), n)) state.endUpload(upload)
      return { more: state.sessions.expired(state.now(), 1).length > 0 }
    }),
  review: (policy, n) =>
    Effect.sync(() => {
      const released = state.now() - Duration.toMillis(policy.grace)
      const due = state.reviews.due(released, n).map((id) => [id, state.reviews.timeOf(id)] as const)
      const removed = due.flatMap(([id, seen]) =>
        // The removal of a parent may have postponed the review of its child.
        state.reviews.timeOf(id) === seen && reviewOne(state, id, policy) ? [id] : []
      )
      const manifests = removed.filter((id) => id.startsWith("manifest ")).length
      return { manifests, blobs: removed.length - manifests, more: state.reviews.due(released, 1).length > 0 }
    }),
  claimGarbage: (n, lease) => Effect.sync(() => state.garbage.claim(n, state.now(), state.after(lease))),
  forgetGarbage: (keys) =>
    Effect.sync(() => {
      for (const key of keys) {
        if (!state.garbage.has(key)) continue
        state.garbage.forget(key)
        state.keys.delete(key)
      }
    }),
  unknownKeys: (keys) => Effect.sync(() => keys.filter((key) => !state.keys.has(key)))
})
