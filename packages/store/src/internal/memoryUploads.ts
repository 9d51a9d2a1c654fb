import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import * as ordered from "./ordered.js"

const unknown = Effect.fail(new MetadataStore.UploadUnknown())

/** The uploads in memory, and what was released: the commands on them alone, and what the others need of them. */
export const makeUploads = () => {
  const uploads = new Map<string, MetadataStore.Upload>()
  const open = new Map<RepositoryName, number>()
  let releases = ordered.empty<BlobKey, MetadataStore.Released>()

  const release = ({ key, token }: MetadataStore.Released): MetadataStore.Released => {
    const released = { key, token }
    releases = ordered.set(releases, key, released)
    return released
  }

  const close = ({ id, repository }: MetadataStore.Upload): void => {
    uploads.delete(id)
    const others = (open.get(repository) ?? 1) - 1
    if (others === 0) open.delete(repository)
    else open.set(repository, others)
  }

  const end = (upload: MetadataStore.Upload): MetadataStore.Released => {
    close(upload)
    return release(upload)
  }

  return {
    uploads,
    close,
    release,
    createUpload: (upload, limits) =>
      Effect.suspend(() => {
        const others = open.get(upload.repository) ?? 0
        if (uploads.size >= limits.total || others >= limits.perRepository) {
          return Effect.fail(new MetadataStore.TooManyUploads())
        }
        uploads.set(upload.id, upload)
        open.set(upload.repository, others + 1)
        return Effect.void
      }),
    getUpload: (id) =>
      Effect.suspend(() => {
        const upload = uploads.get(id)
        return upload === undefined ? unknown : Effect.succeed(upload)
      }),
    advanceUpload: ({ expiresAt, from, id, to, token }) =>
      Effect.suspend((): ReturnType<MetadataStore.Service["advanceUpload"]> => {
        const upload = uploads.get(id)
        if (upload === undefined) return unknown
        if (upload.offset !== from && !(upload.offset === to && upload.token === token)) {
          return Effect.fail(new MetadataStore.OffsetMismatch({ offset: upload.offset }))
        }
        uploads.set(id, { ...upload, offset: to, token, expiresAt })
        return Effect.void
      }),
    endUpload: (id) =>
      Effect.suspend(() => {
        const upload = uploads.get(id)
        return upload === undefined ? unknown : Effect.succeed(end(upload))
      }),
    expireUploads: (now, n) =>
      Effect.sync(() => {
        const expired: Array<MetadataStore.Released> = []
        for (const upload of uploads.values()) {
          if (expired.length >= n) break
          if (upload.expiresAt <= now) expired.push(end(upload))
        }
        return expired
      }),
    listReleased: (after, n) => Effect.sync(() => ordered.page(releases, after, n)),
    forgetReleased: (key) =>
      Effect.sync(() => {
        releases = ordered.remove(releases, key)
      })
  } satisfies Partial<MetadataStore.Service> & { readonly [own in "uploads" | "close" | "release"]: unknown }
}
