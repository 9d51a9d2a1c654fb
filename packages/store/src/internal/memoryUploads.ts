import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import * as ordered from "./ordered.js"

const unknown = Effect.fail(new MetadataStore.UploadUnknown())

/** The ids of the sessions that count against one limit, oldest first. */
type Group = Set<string>

const groupIn = <K>(groups: Map<K, Group>, key: K): Group => {
  const known = groups.get(key)
  if (known !== undefined) return known
  const group: Group = new Set()
  groups.set(key, group)
  return group
}

const removeFrom = <K>(groups: Map<K, Group>, key: K, id: string): void => {
  const group = groups.get(key)
  group?.delete(id)
  if (group?.size === 0) groups.delete(key)
}

/** Counts the open sessions: in total, per caller and per repository. */
const makeCounts = () => {
  const all: Group = new Set()
  const callers = new Map<string, Group>()
  const repositories = new Map<RepositoryName, Group>()
  return {
    add: ({ caller, id, repository }: MetadataStore.Upload): void => {
      if (caller === undefined) return
      for (const group of [all, groupIn(callers, caller), groupIn(repositories, repository)]) group.add(id)
    },
    remove: ({ caller, id, repository }: MetadataStore.Upload): void => {
      if (caller === undefined) return
      all.delete(id)
      removeFrom(callers, caller, id)
      removeFrom(repositories, repository, id)
    },
    /** Returns the groups that have no room for a session. */
    full: (
      { caller, repository }: MetadataStore.Upload,
      { perCaller, perRepository, total }: MetadataStore.UploadLimits
    ): ReadonlyArray<Group> => {
      if (caller === undefined) return []
      const groups: ReadonlyArray<readonly [Group | undefined, limit: number]> = [
        [callers.get(caller), perCaller],
        [repositories.get(repository), perRepository],
        [all, total]
      ]
      return groups.flatMap(([group, limit]) => group !== undefined && group.size >= limit ? [group] : [])
    }
  }
}

/** Creates the upload sessions and the garbage of a metadata store in memory, with their commands and helpers. */
export const makeUploads = () => {
  const uploads = new Map<string, MetadataStore.Upload>()
  const counts = makeCounts()
  let releases = ordered.empty<BlobKey, MetadataStore.Released>()

  const release = ({ key, token }: MetadataStore.Released): MetadataStore.Released => {
    const released = { key, token }
    releases = ordered.set(releases, key, released)
    return released
  }

  const close = (upload: MetadataStore.Upload): void => {
    uploads.delete(upload.id)
    counts.remove(upload)
  }

  const end = (upload: MetadataStore.Upload): MetadataStore.Released => {
    close(upload)
    return release(upload)
  }

  /** Returns the oldest session of a group whose client has not begun to send content. */
  const oldestEmpty = (group: Group): MetadataStore.Upload | undefined => {
    for (const id of group) {
      const upload = uploads.get(id)
      if (upload?.begun === false) return upload
    }
    return undefined
  }

  /** Returns sessions whose end makes room in every group, or `undefined` if a group has only sessions with content. */
  const victims = (groups: ReadonlyArray<Group>): ReadonlyArray<MetadataStore.Upload> | undefined => {
    const found: Array<MetadataStore.Upload> = []
    for (const group of groups) {
      if (found.some(({ id }) => group.has(id))) continue
      const oldest = oldestEmpty(group)
      if (oldest === undefined) return undefined
      found.push(oldest)
    }
    return found
  }

  return {
    uploads,
    close,
    release,
    createUpload: (upload, limits) =>
      Effect.suspend((): ReturnType<MetadataStore.Service["createUpload"]> => {
        const evicted = victims(counts.full(upload, limits))
        if (evicted === undefined) return Effect.fail(new MetadataStore.TooManyUploads())
        const released = evicted.map(end)
        uploads.set(upload.id, upload)
        counts.add(upload)
        return Effect.succeed(released)
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
        uploads.set(id, { ...upload, offset: to, token, expiresAt, begun: true })
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
