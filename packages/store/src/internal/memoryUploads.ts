import * as Effect from "effect/Effect"
import type { BlobKey } from "../BlobStore.js"
import * as MetadataStore from "../MetadataStore.js"
import * as ordered from "./ordered.js"

const unknown = Effect.fail(new MetadataStore.UploadUnknown())

/** The sessions that count against one limit, and the ids of those whose client has not begun to send, oldest first. */
interface Group {
  size: number
  readonly empty: Set<string>
}

/** Returns the names of the groups that a session counts in. A session without a caller does not count. */
const groupsOf = ({ caller, repository }: MetadataStore.Upload): ReadonlyArray<string> =>
  caller === undefined ? [] : [`caller ${caller}`, `repository ${repository}`, "all"]

/** The open upload sessions, and how many of them count against each limit. */
export class Sessions {
  private readonly uploads = new Map<string, MetadataStore.Upload>()
  private readonly groups = new Map<string, Group>()

  get(id: string): MetadataStore.Upload | undefined {
    return this.uploads.get(id)
  }

  /** Replaces a session that is open. */
  update(upload: MetadataStore.Upload): void {
    this.uploads.set(upload.id, upload)
    if (upload.begun) { for (const name of groupsOf(upload)) this.groups.get(name)?.empty.delete(upload.id) }
  }

  /** Opens a session. Returns the sessions that end to make room, or `undefined` if there is no room. */
  open(
    upload: MetadataStore.Upload,
    { perCaller, perRepository, total }: MetadataStore.UploadLimits
  ): ReadonlyArray<MetadataStore.Upload> | undefined {
    const limits = [perCaller, perRepository, total]
    const full = groupsOf(upload).flatMap((name, index) => {
      const group = this.groups.get(name)
      return group !== undefined && group.size >= limits[index]! ? [group] : []
    })
    const evicted = this.evictable(full)
    if (evicted === undefined) return undefined
    for (const other of evicted) this.close(other)
    this.uploads.set(upload.id, upload)
    for (const name of groupsOf(upload)) {
      const group = this.groups.get(name) ?? { size: 0, empty: new Set() }
      this.groups.set(name, group)
      group.size += 1
      if (!upload.begun) group.empty.add(upload.id)
    }
    return evicted
  }

  close(upload: MetadataStore.Upload): void {
    if (!this.uploads.delete(upload.id)) return
    for (const name of groupsOf(upload)) {
      const group = this.groups.get(name)!
      group.size -= 1
      group.empty.delete(upload.id)
      if (group.size === 0) this.groups.delete(name)
    }
  }

  /** Returns at most `n` sessions that have expired at `now`. */
  expired(now: number, n: number): ReadonlyArray<MetadataStore.Upload> {
    const found: Array<MetadataStore.Upload> = []
    for (const upload of this.uploads.values()) {
      if (found.length >= n) break
      if (upload.expiresAt <= now) found.push(upload)
    }
    return found
  }

  /** Returns sessions whose end makes room in every group, or `undefined` if a group has only sessions with content. */
  private evictable(groups: ReadonlyArray<Group>): ReadonlyArray<MetadataStore.Upload> | undefined {
    const found = new Map<string, MetadataStore.Upload>()
    for (const { empty } of groups) {
      if ([...found.keys()].some((id) => empty.has(id))) continue
      const [oldest] = empty
      if (oldest === undefined) return undefined
      found.set(oldest, this.uploads.get(oldest)!)
    }
    return [...found.values()]
  }
}

/** The released bytes of a store, which await deletion. */
export class GarbageList {
  private items = ordered.empty<BlobKey, MetadataStore.Garbage>()

  add({ key, token }: MetadataStore.Garbage): MetadataStore.Garbage {
    const garbage = { key, token }
    this.items = ordered.set(this.items, key, garbage)
    return garbage
  }

  forget(key: BlobKey): void {
    this.items = ordered.remove(this.items, key)
  }

  page(after: BlobKey | undefined, n: number): ReadonlyArray<MetadataStore.Garbage> {
    return ordered.page(this.items, after, n)
  }
}

type Commands = Pick<
  MetadataStore.Service,
  | "createUpload"
  | "getUpload"
  | "advanceUpload"
  | "endUpload"
  | "expireUploads"
  | "listGarbage"
  | "forgetGarbage"
>

/** Creates the commands for upload sessions and garbage of a metadata store in memory. */
export const makeCommands = (sessions: Sessions, garbage: GarbageList): Commands => {
  const end = (upload: MetadataStore.Upload): MetadataStore.Garbage => {
    sessions.close(upload)
    return garbage.add(upload)
  }
  return {
    createUpload: (upload, limits) =>
      Effect.suspend(() => {
        const evicted = sessions.open(upload, limits)
        return evicted === undefined
          ? Effect.fail(new MetadataStore.TooManyUploads())
          : Effect.succeed(evicted.map((other) => garbage.add(other)))
      }),
    getUpload: (id) =>
      Effect.suspend(() => {
        const upload = sessions.get(id)
        return upload === undefined ? unknown : Effect.succeed(upload)
      }),
    advanceUpload: ({ expiresAt, from, id, to, token }) =>
      Effect.suspend((): ReturnType<Commands["advanceUpload"]> => {
        const upload = sessions.get(id)
        if (upload === undefined) return unknown
        if (upload.offset !== from && !(upload.offset === to && upload.token === token)) {
          return Effect.fail(new MetadataStore.OffsetMismatch({ offset: upload.offset }))
        }
        sessions.update({ ...upload, offset: to, token, expiresAt, begun: true })
        return Effect.void
      }),
    endUpload: (id) =>
      Effect.suspend(() => {
        const upload = sessions.get(id)
        return upload === undefined ? unknown : Effect.succeed(end(upload))
      }),
    expireUploads: (now, n) => Effect.sync(() => sessions.expired(now, n).map(end)),
    listGarbage: (after, n) => Effect.sync(() => garbage.page(after, n)),
    forgetGarbage: (key) => Effect.sync(() => garbage.forget(key))
  }
}
