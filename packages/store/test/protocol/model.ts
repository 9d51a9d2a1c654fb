/**
 * A small model of the steps by which a push, a delete and the collector change one blob of one repository. Content that
 * is kept by a tag or by a parent behaves in the same way: a tag and a parent are references, too.
 *
 * With the locks "one writer", as in SQLite, a command is one step. With "rows", as in PostgreSQL with read committed, a
 * command is several statements: each sees what others have committed before it, and only locks of rows keep them out.
 */

/** What a store with a mistake leaves out. */
export type Mistake =
  | "HEAD does not renew the lease"
  | "HEAD reads, and renews the lease later"
  | "the push of a manifest does not lock its blobs"
  | "a delete does not lock the blob"
  | "a delete continues although there is no row to lock"
  | "the collector does not lock the blob"
  | "the collector checks before it locks"
  | "the collector ignores the lease"
  | "the collector drops the review of content with a lease"
  | "the collector writes although the review has changed"
  | "the delete of a manifest schedules no review"
  | "the push of a blob schedules no review"
  | "a key is used twice"
  | "a blob is linked before its bytes are stored"
  | "garbage is forgotten before its bytes are deleted, and the collector crashes"

export interface Settings {
  readonly locks: "one writer" | "rows"
  readonly mistake?: Mistake | undefined
  /** Whether the deleter also deletes the blob, after the manifest. */
  readonly deletesBlob: boolean
}

type Actor = "pusher" | "deleter" | "collector"

export interface State {
  readonly time: number
  /** The blob, and its lease in the repository. */
  readonly blob: { readonly key: number; readonly leasedUntil: number } | undefined
  /** The keys that have bytes. */
  readonly bytes: ReadonlyArray<number>
  readonly garbage: ReadonlyArray<number>
  /** The manifests that refer to the blob. */
  readonly manifests: { readonly old: boolean; readonly pushed: boolean }
  readonly review: number | undefined
  readonly exclusive: Actor | undefined
  readonly shared: ReadonlyArray<Actor>
  readonly pusher: { readonly at: string; readonly key: number; readonly promisedUntil: number }
  readonly deleter: { readonly at: string }
  readonly collector: {
    readonly at: string
    readonly seen: number
    readonly verdict: string
    readonly claimed: ReadonlyArray<number>
    readonly rounds: number
  }
  /** A client was told something that was not true. */
  readonly broken: string | undefined
}

/** How long a lease lasts, how long a review waits, and when the clock stops. */
const [keep, grace, end] = [4, 1, 6]

export const initial: State = {
  time: 0,
  blob: { key: 1, leasedUntil: 0 },
  bytes: [1],
  garbage: [],
  manifests: { old: true, pushed: false },
  review: undefined,
  exclusive: undefined,
  shared: [],
  pusher: { at: "head", key: 0, promisedUntil: -1 },
  deleter: { at: "delete manifest" },
  collector: { at: "scan", seen: 0, verdict: "", claimed: [], rounds: 2 },
  broken: undefined
}

const without = <A>(items: ReadonlyArray<A>, ...removed: ReadonlyArray<A>) =>
  items.filter((item) => !removed.includes(item))
const later = (review: number | undefined, time: number) => Math.max(review ?? 0, time)

/** The steps that are possible in a state. */
export const steps = (settings: Settings) => {
  const { deletesBlob, locks, mistake } = settings
  const isAtomic = locks === "one writer"

  const unlock = (s: State, actor: Actor): State => ({
    ...s,
    exclusive: s.exclusive === actor ? undefined : s.exclusive,
    shared: without(s.shared, actor)
  })

  /** Locks the row of the blob. Returns `undefined` if the actor must wait. A row that is gone cannot be locked. */
  const lock = (s: State, actor: Actor, mode: "exclusive" | "shared"): State | undefined => {
    if (isAtomic || s.blob === undefined) return s
    const others = without(s.shared, actor)
    if (s.exclusive !== undefined && s.exclusive !== actor) return undefined
    if (mode === "shared") return { ...s, shared: [...others, actor] }
    return others.length > 0 ? undefined : { ...s, exclusive: actor, shared: others }
  }

  const pusherAt = (s: State, at: string, fields: Partial<State["pusher"]> = {}): State => ({
    ...s,
    pusher: { ...s.pusher, at, ...fields }
  })

  /** The client pushes its manifest while at least half of the lease is left, or the push may fail. */
  const promise = (s: State) => ({ promisedUntil: s.time + keep / 2 - 1 })

  const renew = (s: State): State =>
    s.blob === undefined || s.blob.leasedUntil - s.time >= keep / 2
      ? s
      : { ...s, blob: { ...s.blob, leasedUntil: s.time + keep } }

  const link = (s: State): State => {
    const { key } = s.pusher
    const leasedUntil = s.time + keep
    const linked = s.blob === undefined
      ? { ...s, blob: { key, leasedUntil } }
      : { ...s, blob: { ...s.blob, leasedUntil }, garbage: s.blob.key === key ? s.garbage : [...s.garbage, key] }
    return mistake === "the push of a blob schedules no review"
      ? linked
      : { ...linked, review: later(s.review, s.time + grace) }
  }

  const unknown = (s: State): State => ({
    ...unlock(pusherAt(s, "done"), "pusher"),
    broken: s.time <= s.pusher.promisedUntil ? "a manifest was refused although its blob was promised" : s.broken
  })

  const put = (s: State): State =>
    unlock(pusherAt({ ...s, manifests: { ...s.manifests, pushed: true } }, "done"), "pusher")

  const pusher = (s: State): State | undefined => {
    switch (s.pusher.at) {
      case "head": {
        if (s.blob === undefined) return pusherAt(s, "store", { key: mistake === "a key is used twice" ? 1 : 2 })
        if (mistake === "HEAD does not renew the lease") return pusherAt(s, "lock", promise(s))
        if (mistake === "HEAD reads, and renews the lease later") return pusherAt(s, "renew", promise(s))
        const needsWrite = s.blob.leasedUntil - s.time < keep / 2
        if (!isAtomic && needsWrite && s.exclusive !== undefined) return undefined
        return pusherAt(renew(s), "lock", promise(s))
      }
      case "renew":
        return !isAtomic && s.exclusive !== undefined ? undefined : pusherAt(renew(s), "lock")
      case "store":
        if (mistake === "a blob is linked before its bytes are stored") {
          const linked = link(s)
          return pusherAt(linked, "store late", promise(s))
        }
        return pusherAt({ ...s, bytes: [...without(s.bytes, s.pusher.key), s.pusher.key] }, "link")
      case "store late":
        return pusherAt({ ...s, bytes: [...s.bytes, s.pusher.key] }, "lock")
      case "link": {
        const locked = lock(s, "pusher", "exclusive")
        return locked && (isAtomic ? pusherAt(link(s), "lock", promise(s)) : pusherAt(locked, "write link"))
      }
      case "write link":
        return unlock(pusherAt(link(s), "lock", promise(s)), "pusher")
      case "lock": {
        if (isAtomic) return s.blob === undefined ? unknown(s) : put(s)
        const locked = mistake === "the push of a manifest does not lock its blobs" ? s : lock(s, "pusher", "shared")
        return locked && pusherAt(locked, "check")
      }
      case "check":
        return s.blob === undefined ? unknown(s) : pusherAt(s, "write")
      case "write":
        return put(s)
      default:
        return undefined
    }
  }

  const isReferenced = ({ manifests }: State) => manifests.old || manifests.pushed

  const remove = (s: State): State =>
    s.blob === undefined ? s : { ...s, blob: undefined, garbage: [...without(s.garbage, s.blob.key), s.blob.key] }

  /** Deletes the blob by the request of a client. That ends the promise that a HEAD gave to another client. */
  const removeByRequest = (s: State): State => ({ ...remove(s), pusher: { ...s.pusher, promisedUntil: -1 } })

  const deleter = (s: State): State | undefined => {
    const at = (next: State, at: string): State => ({ ...next, deleter: { at } })
    switch (s.deleter.at) {
      case "delete manifest": {
        const deleted = { ...s, manifests: { ...s.manifests, old: false } }
        const review = mistake === "the delete of a manifest schedules no review"
          ? s.review
          : later(s.review, s.time + grace)
        return at({ ...deleted, review }, deletesBlob ? "lock" : "done")
      }
      case "lock": {
        if (isAtomic) return at(isReferenced(s) ? s : removeByRequest(s), "done")
        if (s.blob === undefined && mistake !== "a delete continues although there is no row to lock") {
          return at(s, "done")
        }
        const locked = mistake === "a delete does not lock the blob" ? s : lock(s, "deleter", "exclusive")
        return locked && at(locked, "check")
      }
      case "check":
        return isReferenced(s) ? unlock(at(s, "done"), "deleter") : at(s, "write")
      case "write":
        return unlock(at(removeByRequest(s), "done"), "deleter")
      default:
        return undefined
    }
  }

  const verdictOf = (s: State): string => {
    if (s.blob === undefined || isReferenced(s)) return "keep"
    return mistake !== "the collector ignores the lease" && s.blob.leasedUntil > s.time ? "postpone" : "remove"
  }

  /** Ends a review. Its row is written last, and only if the review was not scheduled again. */
  const settle = (s: State): State => {
    const { seen, verdict } = s.collector
    if (s.review !== seen && mistake !== "the collector writes although the review has changed") return s
    switch (verdict) {
      case "keep":
        return { ...s, review: undefined }
      case "postpone":
        return mistake === "the collector drops the review of content with a lease" || s.blob === undefined
          ? { ...s, review: undefined }
          : { ...s, review: s.blob.leasedUntil }
      default:
        return { ...remove(s), review: undefined }
    }
  }

  const collector = (s: State): State | undefined => {
    const at = (next: State, at: string, fields: Partial<State["collector"]> = {}): State => ({
      ...next,
      collector: { ...next.collector, at, ...fields }
    })
    const [first, second] = mistake === "the collector checks before it locks"
      ? ["check", "lock"] as const
      : ["lock", "check"] as const
    switch (s.collector.at) {
      case "scan": {
        if (s.collector.rounds === 0) return undefined
        const rounds = s.collector.rounds - 1
        if (s.review === undefined || s.review > s.time) return at(s, "claim", { rounds })
        const scanned = at(s, first, { rounds, seen: s.review })
        return isAtomic ? at(settle(at(scanned, "", { verdict: verdictOf(s) })), "claim") : scanned
      }
      case "lock": {
        if (s.blob === undefined) return at(s, "write", { verdict: "keep" })
        const locked = mistake === "the collector does not lock the blob" ? s : lock(s, "collector", "exclusive")
        return locked && at(locked, first === "lock" ? second : "write")
      }
      case "check":
        return at(s, first === "check" ? second : "write", { verdict: verdictOf(s) })
      case "write":
        return unlock(at(settle(s), "claim"), "collector")
      case "claim":
        if (s.garbage.length === 0) return at(s, "scan")
        return mistake === "garbage is forgotten before its bytes are deleted, and the collector crashes"
          ? at({ ...s, garbage: [] }, "scan")
          : at(s, "delete bytes", { claimed: s.garbage })
      case "delete bytes":
        return at({ ...s, bytes: without(s.bytes, ...s.collector.claimed) }, "forget")
      case "forget":
        return at({ ...s, garbage: without(s.garbage, ...s.collector.claimed) }, "scan", { claimed: [] })
      default:
        return undefined
    }
  }

  const clock = (s: State): State | undefined => s.time < end ? { ...s, time: s.time + 1 } : undefined

  /** The client gives up before it pushes the manifest. */
  const quit = (s: State): State | undefined => s.pusher.at === "lock" ? pusherAt(s, "done") : undefined

  return { pusher, quit, deleter, collector, clock }
}

/** Returns what is wrong with a state, or `undefined`. */
export const problemOf = (s: State): string | undefined => {
  if (s.broken !== undefined) return s.broken
  if (s.blob !== undefined && !s.bytes.includes(s.blob.key)) return "a blob has no bytes"
  if ((s.manifests.old || s.manifests.pushed) && s.blob === undefined) return "a manifest refers to a missing blob"
  return undefined
}

/** Returns what is wrong after all actors have ended and the collector has run once more, or `undefined`. */
export const problemAtEnd = (s: State, settings: Settings): string | undefined => {
  const waits = s.pusher.at !== "done" || s.deleter.at !== "done"
  if (waits || s.exclusive !== undefined || s.shared.length > 0) return "the actors wait for each other"
  const { collector } = steps({ ...settings, locks: "one writer" })
  let last: State = { ...s, time: 100, collector: { ...initial.collector, rounds: 3 } }
  for (let next = collector(last); next !== undefined; next = collector(last)) last = next
  const isReferenced = last.manifests.old || last.manifests.pushed
  if (isReferenced !== (last.blob !== undefined)) return "a blob that nothing refers to is never removed"
  const live = last.blob === undefined ? [] : [last.blob.key]
  const leaked = without(last.bytes, ...live).length > 0 || last.garbage.length > 0
  return leaked ? "bytes that nothing refers to are never deleted" : problemOf(last)
}
