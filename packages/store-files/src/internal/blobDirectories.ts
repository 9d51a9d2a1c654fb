import * as SingleFlight from "@effect-oci/core/SingleFlight"
import type { BlobKey, StoredBytes } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as files from "../NodeDurableFile.js"
import type { DirectorySyncs } from "./directorySyncs.js"
import * as names from "./names.js"

/** The number of files after which a new directory begins. */
const capacity = 4096

/** The name of the first directory. It sorts before all keys. */
const first = "0"

/** The number of files whose size is read at the same time. */
const concurrency = 16

/**
 * The directories that contain the blobs.
 *
 * Keys begin with the time, so blobs are stored like the pages of a log: a directory is named after its least key, and is
 * closed when it has 4096 files. This has three advantages over directories named after some digits of the key:
 *
 * - Commits at the same time are in the same directory, so one sync of a directory serves all of them.
 * - The names of a directory, sorted, are one piece of the list of all keys. A page of the list, also of the newest keys,
 *   reads one or two directories, and the memory for it is bounded.
 * - All directories have the same size, whether blobs arrive quickly or slowly.
 *
 * A million blobs are in 245 directories, whose names are in memory. If the clock goes back, new keys are in an older
 * directory, which becomes larger.
 */
export class BlobDirectories {
  /** The names of the directories, sorted. */
  private readonly bounds: Array<string>
  /** The directories that are known to exist. */
  private readonly existing: Set<string>
  /** The number of files in the newest directory, and the greatest key in it. */
  private count: number
  private greatest: string
  /** The sorted names of the directory that was listed last, and how often a directory has changed. */
  private listed: { readonly directory: string; readonly keys: ReadonlyArray<string> } | undefined
  private changes = 0
  private readonly creating = new SingleFlight.SingleFlight<string, void, files.FileError>()

  private constructor(
    private readonly path: string,
    private readonly syncs: DirectorySyncs,
    bounds: ReadonlyArray<string>,
    newest: ReadonlyArray<string>
  ) {
    this.existing = new Set(bounds)
    this.bounds = bounds[0] === first ? [...bounds] : [first, ...bounds]
    this.count = newest.length
    this.greatest = newest.at(-1) ?? ""
  }

  /** Reads the names of the directories, and the keys in the newest one. */
  static open(path: string, syncs: DirectorySyncs): files.FileEffect<BlobDirectories> {
    return Effect.gen(function*() {
      yield* syncs.create(path)
      const bounds = yield* names.list(path)
      const newest = bounds.at(-1)
      return new BlobDirectories(
        path,
        syncs,
        bounds,
        newest === undefined ? [] : yield* names.list(join(path, newest))
      )
    })
  }

  /** Returns the path of a blob that is stored. */
  pathOf(key: BlobKey): string {
    return join(this.path, this.directoryOf(key), key)
  }

  /** Returns the path of a new blob. Its directory exists. */
  place(key: BlobKey): files.FileEffect<string> {
    return Effect.suspend(() => {
      // A directory begins only above all keys of the one before. So each key remains in the directory it was placed in.
      if (this.count >= capacity && key > this.greatest) {
        this.bounds.push(key)
        this.count = 0
      }
      const directory = this.directoryOf(key)
      if (directory === this.bounds.at(-1)) {
        this.count++
        if (key > this.greatest) this.greatest = key
      }
      const path = join(this.path, directory, key)
      return this.existing.has(directory)
        ? Effect.succeed(path)
        : Effect.as(this.creating.share(directory, this.create(directory)), path)
    })
  }

  /** Makes the entries of blobs durable: those that were added, and the removal of those that were removed. */
  sync(keys: ReadonlyArray<BlobKey>): files.FileEffect<void> {
    return Effect.suspend(() => {
      const directories = new Set(keys.map((key) => this.directoryOf(key)))
      this.changes++
      if (this.listed !== undefined && directories.has(this.listed.directory)) this.listed = undefined
      return Effect.forEach(
        [...directories].filter((directory) => this.existing.has(directory)),
        (directory) => this.syncs.sync(join(this.path, directory)),
        { concurrency: "unbounded", discard: true }
      )
    })
  }

  /** Lists at most `n` blobs after a key, ordered by key. */
  list(after: BlobKey | undefined, n: number): files.FileEffect<ReadonlyArray<StoredBytes>> {
    return Effect.gen(this, function*() {
      const found: Array<StoredBytes> = []
      const from = after === undefined ? 0 : this.indexOf(after)
      for (const directory of this.bounds.slice(from)) {
        if (found.length >= n) break
        if (!this.existing.has(directory)) continue
        const keys = yield* this.keysIn(directory)
        const rest = after === undefined ? keys : keys.filter((key) => key > after)
        yield* this.addSizes(found, directory, rest, n)
      }
      return found
    })
  }

  /** Returns the sorted keys in a directory. Keeps them for the next page of the list, unless they change meanwhile. */
  private keysIn(directory: string): files.FileEffect<ReadonlyArray<string>> {
    return Effect.suspend(() => {
      if (this.listed?.directory === directory) return Effect.succeed(this.listed.keys)
      const { changes } = this
      return Effect.tap(names.list(join(this.path, directory)), (keys) => {
        if (this.changes === changes) this.listed = { directory, keys }
      })
    })
  }

  /** Adds the blobs of a directory until there are `n`. A blob that was deleted meanwhile is left out. */
  private addSizes(found: Array<StoredBytes>, directory: string, keys: ReadonlyArray<string>, n: number) {
    return Effect.gen(this, function*() {
      for (let at = 0; at < keys.length && found.length < n;) {
        const page = keys.slice(at, at + n - found.length)
        at += page.length
        const stats = yield* Effect.forEach(
          page,
          (key) => files.stat(join(this.path, directory, key)),
          { concurrency }
        )
        for (const [index, stat] of stats.entries()) {
          if (stat?.isFile === true) found.push({ key: page[index] as BlobKey, size: stat.size })
        }
      }
    })
  }

  private create(directory: string) {
    return Effect.tap(this.syncs.create(join(this.path, directory)), () => {
      this.existing.add(directory)
    })
  }

  private directoryOf(key: string): string {
    return this.bounds[this.indexOf(key)]!
  }

  /** Returns the index of the last directory whose name is not after the key. */
  private indexOf(key: string): number {
    let [low, high] = [0, this.bounds.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.bounds[middle]! <= key) low = middle
      else high = middle
    }
    return low
  }
}
