import type * as MetadataStore from "../MetadataStore.js"
import { DueQueue } from "./dueQueue.js"

/** The sessions that count against one limit, and the ids of those whose client has not begun to send, oldest first. */
interface Group {
  size: number
  readonly empty: Set<string>
}

/** Returns the names of the groups that a session counts in. */
const groupsOf = ({ caller, repository }: MetadataStore.Upload): ReadonlyArray<string> => [
  `caller ${caller}`,
  `repository ${repository}`,
  "all"
]

/** The open upload sessions, and how many of them count against each limit. */
export class Sessions {
  private readonly uploads = new Map<string, MetadataStore.Upload>()
  private readonly expiry = new DueQueue<string>()
  private readonly groups = new Map<string, Group>()

  /** Returns a session that has not expired at `now`. */
  get(id: string, now: number): MetadataStore.Upload | undefined {
    return this.expiry.timeOf(id)! > now ? this.uploads.get(id) : undefined
  }

  /** Replaces a session that is open. */
  update(upload: MetadataStore.Upload, expiresAt: number): void {
    this.uploads.set(upload.id, upload)
    this.expiry.set(upload.id, expiresAt)
    if (upload.fence > 0) { for (const name of groupsOf(upload)) this.groups.get(name)?.empty.delete(upload.id) }
  }

  /** Opens a session. Returns the sessions that end to make room, or `undefined` if there is no room. */
  open(
    upload: MetadataStore.Upload,
    expiresAt: number,
    { perCaller, perRepository, total }: MetadataStore.UploadLimits
  ): ReadonlyArray<MetadataStore.Upload> | undefined {
    if (this.uploads.has(upload.id)) return []
    const limits = [perCaller, perRepository, total]
    const full = groupsOf(upload).flatMap((name, index) => {
      const group = this.groups.get(name)
      return group !== undefined && group.size >= limits[index]! ? [group] : []
    })
    const evicted = this.evictable(full)
    if (evicted === undefined) return undefined
    for (const other of evicted) this.close(other)
    for (const name of groupsOf(upload)) {
      const group = this.groups.get(name) ?? { size: 0, empty: new Set() }
      this.groups.set(name, group)
      group.size += 1
      group.empty.add(upload.id)
    }
    this.update(upload, expiresAt)
    return evicted
  }

  close(upload: MetadataStore.Upload): void {
    if (!this.uploads.delete(upload.id)) return
    this.expiry.delete(upload.id)
    for (const name of groupsOf(upload)) {
      const group = this.groups.get(name)!
      group.size -= 1
      group.empty.delete(upload.id)
      if (group.size === 0) this.groups.delete(name)
    }
  }

  /** Returns at most `n` sessions that have expired at `now`. */
  expired(now: number, n: number): ReadonlyArray<MetadataStore.Upload> {
    return this.expiry.due(now, n).map((id) => this.uploads.get(id)!)
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
