/**
 * The journal of a cache in a file, for Node, Bun and Deno. Each line of the file is an entry in JSON.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { appendFile, mkdir, open, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { Entry } from "./CacheJournal.js"
import type { Journal } from "./CacheJournal.js"

/** How long entries wait for others, to be written together. */
const batchTime = "100 millis"

/** How long to wait after a failure before the next attempt. */
const retryTime = "10 seconds"

/** A file of at most this size is not compacted, in bytes. */
const smallFile = 1024 * 1024

/** How many entries are written at once when the file is compacted. */
const chunkEntries = 1000

/**
 * Creates a journal in a file. The file belongs to one cache of one process, and its directory is created.
 *
 * Entries are written in the background, at most 100 ms late. Only content waits for its entry before it is stored. So
 * after a `kill -9` the file lists all content that the store has, and perhaps content that it does not have. The file
 * is not synced: after a power failure the last entries may be missing, and that content is counted from its next use.
 *
 * When the file is much longer than its valid entries, it is replaced as a whole. Damaged lines are logged and skipped.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Cache } from "@effect-oci/middleware"
 * import * as NodeCacheJournal from "@effect-oci/middleware/NodeCacheJournal"
 * import type { Layer } from "effect"
 *
 * const mirror = <E>(upstream: Layer.Layer<Registry>, store: Layer.Layer<Registry, E>) =>
 *   upstream.pipe(
 *     Cache.wrap({ store, maxBytes: 10 * 1024 ** 3, journal: NodeCacheJournal.make("data/cache.ndjson") })
 *   )
 * ```
 */
export const make = (path: string): Journal => (snapshot) =>
  Effect.gen(function*() {
    const { entries, size } = yield* load(path)
    const mutex = yield* Effect.makeSemaphore(1)
    const wake = yield* Queue.sliding<void>(1)
    const file = new JournalFile(path, snapshot, size)
    const exclusively = (write: Effect.Effect<void>) => Effect.uninterruptible(mutex.withPermits(1)(write))
    const maintain = exclusively(file.maintain)
    const pause = Effect.suspend(() => Effect.sleep(file.hasFailed ? retryTime : batchTime))
    yield* Effect.addFinalizer(() => maintain)
    yield* Effect.forkScoped(Effect.forever(Queue.take(wake).pipe(Effect.zipRight(pause), Effect.zipRight(maintain))))
    return {
      entries,
      recorder: {
        record: (entry) => {
          file.add(entry)
          wake.unsafeOffer(undefined)
        },
        written: exclusively(file.append)
      }
    }
  })

/** The file of a journal, and the entries that are not written yet. One effect runs at a time. */
class JournalFile {
  #pending: Array<Entry> = []
  #compactedSize = 0
  /** Whether the file lacks entries. Then only a compaction makes it complete. */
  hasFailed = false

  constructor(private readonly path: string, private readonly snapshot: () => Iterable<Entry>, private size: number) {}

  add(entry: Entry): void {
    if (!this.hasFailed) this.#pending.push(entry)
  }

  /** Appends the entries that are not written yet. */
  readonly append: Effect.Effect<void> = Effect.suspend(() =>
    this.hasFailed || this.#pending.length === 0 ? Effect.void : this.#attempt(() => this.#append())
  )

  /** Appends the entries that are not written yet. Replaces a file that is too long or not complete. */
  readonly maintain: Effect.Effect<void> = Effect.suspend(() =>
    this.hasFailed || this.size > 2 * this.#compactedSize + smallFile
      ? this.#attempt(() => this.#compact())
      : this.append
  )

  #attempt(write: () => Promise<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const hadFailed = this.hasFailed
      this.hasFailed = false
      return Effect.catchAll(Effect.tryPromise(write), ({ error }) => {
        this.hasFailed = true
        this.#pending = []
        return hadFailed ? Effect.void : logFailure("write", this.path, error)
      })
    })
  }

  async #append(): Promise<void> {
    const lines = linesOf(this.#pending)
    this.#pending = []
    await appendFile(this.path, lines, { mode: 0o600 })
    this.size += lines.byteLength
  }

  async #compact(): Promise<void> {
    const entries = Array.from(this.snapshot())
    this.#pending = []
    const temporary = `${this.path}.tmp`
    let size = 0
    const file = await open(temporary, "w", 0o600)
    try {
      for (let start = 0; start < entries.length; start += chunkEntries) {
        const lines = linesOf(entries.slice(start, start + chunkEntries))
        await file.appendFile(lines)
        size += lines.byteLength
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.path)
    this.size = this.#compactedSize = size
  }
}

/** A line begins, and does not end, with a line break: a line that a crash cut off does not damage the next one. */
const linesOf = (entries: ReadonlyArray<Entry>): Uint8Array =>
  Buffer.from(entries.map((entry) => `\n${JSON.stringify(entry)}`).join(""))

const parse = Schema.decodeUnknownOption(Schema.parseJson(Entry))

/** Reads the entries of a file, and its size. */
const load = (path: string) =>
  Effect.tryPromise(async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, "a+", 0o600)
    const { size } = await file.stat()
    const entries: Array<Entry> = []
    let damaged = 0
    for await (const line of file.readLines({ start: 0 })) {
      const entry = parse(line)
      if (Option.isSome(entry)) entries.push(entry.value)
      else if (line !== "") damaged++
    }
    return { entries, size, damaged }
  }).pipe(
    Effect.tap(({ damaged }) => damaged === 0 ? Effect.void : logSkipped(path, damaged)),
    Effect.catchAll(({ error }) => Effect.as(logFailure("read", path, error), { entries: [], size: 0 }))
  )

const logSkipped = (path: string, lines: number) =>
  Effect.annotateLogs(Effect.logWarning("skipped damaged lines of the cache journal"), { path, lines })

const logFailure = (action: "read" | "write", path: string, error: unknown) =>
  Effect.annotateLogs(
    Effect.logWarning(`cannot ${action} the cache journal; after a restart the cache may not know what it stored`),
    { path, error: String(error) }
  )
