/** The files of a layer, read as it streams, within limits. */
import type { Digest } from "@effect-oci/core/Digest"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ParsedTarEntry } from "modern-tar"
import type { Connection } from "./connection.js"
import { decompressed, LayerRefused, pieces } from "./decompress.js"
import type { Failed } from "./explain.js"

/** How many files of a layer, and how many bytes of it after decompression, the page reads. */
const maxEntries = 200_000
const maxBytes = 8 * 1024 ** 3

/** A name that is longer is cut, and a path with more folders is shown flat. */
const maxPath = 4096

export interface Entry {
  /** The path without a slash at its start or end. */
  readonly path: string
  readonly type: ParsedTarEntry["header"]["type"]
  readonly size: number
  readonly mode: number | undefined
  readonly modified: Date | undefined
  /** The target of a link. */
  readonly link: string | undefined
}

export interface Listing {
  readonly entries: ReadonlyArray<Entry>
  /** How many bytes were decompressed. */
  readonly bytes: number
  /** Why the list ends early. */
  readonly limit: string | undefined
}

/** Called for each entry. It reads the body or leaves it, and returns whether the rest is wanted. */
type OnEntry = (entry: Entry, body: ReadableStream<Uint8Array>) => Promise<boolean>

/** Returns the path of an entry: without `.` and empty parts. `..` stays: nothing is ever written to a disk. */
export const pathOf = (name: string): string =>
  name.slice(0, maxPath).split("/").filter((part) => part !== "" && part !== ".").join("/")

const entryOf = ({ linkname, mode, mtime, name, size, type }: ParsedTarEntry["header"]): Entry => ({
  path: pathOf(name),
  type,
  size,
  mode,
  modified: mtime,
  link: linkname === undefined || linkname === "" ? undefined : linkname.slice(0, maxPath)
})

/** Reads an archive. Calls `grow` with the number of decompressed bytes. */
const read = async (
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  grow: (bytes: number) => void,
  onEntry: OnEntry
): Promise<void> => {
  const { createTarDecoder } = await import("modern-tar")
  const source = decompressed(pieces(stream))
  const counted = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const next = await source.next()
      if (next.done === true) return controller.close()
      grow(next.value.byteLength)
      controller.enqueue(next.value as Uint8Array<ArrayBuffer>)
    },
    cancel: async () => {
      await source.return(undefined)
    }
  })
  const reader = counted.pipeThrough(createTarDecoder({ strict: true })).getReader()
  const stop = () => void reader.cancel().catch(() => {})
  signal.addEventListener("abort", stop)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) return
      const wantsMore = await onEntry(entryOf(value.header), value.body)
      if (!wantsMore) return
      if (!value.body.locked) await value.body.cancel()
    }
  } finally {
    signal.removeEventListener("abort", stop)
    await reader.cancel().catch(() => {})
  }
}

const problemOf = (error: unknown): Error => {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof LayerRefused || "_tag" in each) return each
  }
  return new LayerRefused("The layer is not a tar archive, or it is damaged.", { cause: error })
}

/** Opens a layer and reads it. */
const opened = (
  { registry }: Connection,
  repository: RepositoryName,
  digest: Digest,
  grow: (bytes: number) => void,
  onEntry: OnEntry
): Effect.Effect<void, Failed> =>
  Effect.scoped(Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) =>
    Effect.tryPromise({
      try: (signal) => read(Stream.toReadableStream(stream), signal, grow, onEntry),
      catch: problemOf
    })))

/** Lists the files of a layer, and shows the first ones while the others are read. */
export const list = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest,
  show: (part: Listing) => void
): Effect.Effect<Listing, Failed> =>
  Effect.suspend(() => {
    const entries: Array<Entry> = []
    let bytes = 0
    let limit: string | undefined
    let shown = performance.now()
    const onEntry: OnEntry = (entry) => {
      if (entry.path !== "") entries.push(entry)
      if (entries.length >= maxEntries) limit = `after ${maxEntries.toLocaleString("en")} files`
      else if (bytes > maxBytes) limit = "after 8 GiB of files"
      const now = performance.now()
      if (now - shown > 300) {
        shown = now
        show({ entries: entries.slice(), bytes, limit })
      }
      return Promise.resolve(limit === undefined)
    }
    const grow = (more: number) => {
      bytes += more
      if (bytes > 2 * maxBytes) throw new LayerRefused("The layer expands to more than the page reads.")
    }
    return Effect.map(opened(connection, repository, digest, grow, onEntry), () => ({ entries, bytes, limit }))
  })

/** Reads one file of a layer. Of a file that is larger than `most`, only the first bytes. */
export const file = (
  connection: Connection,
  repository: RepositoryName,
  digest: Digest,
  path: string,
  most: number
): Effect.Effect<Uint8Array<ArrayBuffer>, Failed> =>
  Effect.suspend(() => {
    let found: Uint8Array<ArrayBuffer> | undefined
    let bytes = 0
    const onEntry: OnEntry = async (entry, body) => {
      if (entry.path !== path || entry.type !== "file") return true
      const content = new Uint8Array(Math.min(entry.size, most))
      let at = 0
      for await (const piece of pieces(body)) {
        const part = piece.subarray(0, content.byteLength - at)
        content.set(part, at)
        at += part.byteLength
        if (at === content.byteLength) break
      }
      found = content.subarray(0, at)
      return false
    }
    const grow = (more: number) => {
      bytes += more
      if (bytes > 2 * maxBytes) throw new LayerRefused("The layer expands to more than the page reads.")
    }
    return Effect.flatMap(
      opened(connection, repository, digest, grow, onEntry),
      () =>
        found === undefined
          ? Effect.fail(new LayerRefused("The layer has no such file."))
          : Effect.succeed(found)
    )
  })

/** A folder or a file of a layer, as one line of a folder. */
export interface Item {
  readonly name: string
  readonly path: string
  /** The entry itself. A folder may have none. */
  readonly entry: Entry | undefined
  readonly isFolder: boolean
  /** The size of a file, or of all files below a folder. */
  readonly size: number
}

/** Returns what a folder contains: folders first, by name. The root is `""`. */
export const folder = (entries: ReadonlyArray<Entry>, path: string): ReadonlyArray<Item> => {
  const prefix = path === "" ? "" : `${path}/`
  const items = new Map<string, Item>()
  for (const entry of entries) {
    if (!entry.path.startsWith(prefix) || entry.path.length === prefix.length) continue
    const slash = entry.path.indexOf("/", prefix.length)
    const name = entry.path.slice(prefix.length, slash < 0 ? undefined : slash)
    const old = items.get(name)
    const isItself = slash < 0
    items.set(name, {
      name,
      path: prefix + name,
      entry: isItself ? entry : old?.entry,
      isFolder: !isItself || entry.type === "directory" || (old?.isFolder ?? false),
      size: (old?.size ?? 0) + (entry.type === "file" ? entry.size : 0)
    })
  }
  return [...items.values()].sort((one, other) =>
    one.isFolder === other.isFolder ? (one.name < other.name ? -1 : 1) : one.isFolder ? -1 : 1
  )
}

/** The name by which a layer deletes a file of the layers below it. See the image spec, "Whiteouts". */
export const whiteout = ".wh."
