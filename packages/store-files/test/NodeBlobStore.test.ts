import { Body, RegistryError, Source } from "@effect-oci/core"
import { NodeBlobStore, NodeDirectoryLock, NodeFileSystem } from "@effect-oci/store-files"
import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { randomBytes } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { RecordedFileSystem } from "./recordedFileSystem.js"
import { bytesOf, contentOf, keyAt, nextKey, temporary, text, unlocked } from "./stores.js"

const opened = Effect.gen(function*() {
  const directory = yield* temporary
  return { directory, store: yield* unlocked(directory) }
})

/** A body that yields its chunks, and then waits until it is cancelled. */
const endless = (chunks: ReadonlyArray<Uint8Array>, onCancel: () => void = () => {}) =>
  Body.fromSource((sink: Source.Sink) => {
    let isOver = false
    queueMicrotask(() => {
      for (const chunk of chunks) if (!isOver) sink.data(chunk)
    })
    return {
      resume: () => {},
      cancel: () => {
        isOver = true
        onCancel()
      }
    }
  })

/** A body that yields a chunk of 256 KiB, which is written at once, and reports when it is opened. */
const broken = new RegistryError.BodyFailed({ reason: "cut" })

const breaksAfter = (chunk: Uint8Array) =>
  Body.fromSource((sink) => {
    queueMicrotask(() => {
      sink.data(chunk)
      sink.fail(broken)
    })
    return { resume: () => {}, cancel: () => {} }
  })

describe("put", () => {
  it.scoped("stores a body that a read returns", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      assert.strictEqual(yield* store.put({ key, body: Body.bytes(text("hello")) }), 5)
      assert.strictEqual(yield* contentOf(store, key), "hello")
    }))

  it.scoped("stores the chunks of a source that calls back while it is resumed, in order", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const chunks = Array.from({ length: 24 }, () => randomBytes(300 * 1024))
      const body = Body.fromSource((sink) => {
        const rest = chunks.values()
        const flow = () => {
          for (const chunk of rest) if (!sink.data(chunk)) return
          sink.end()
        }
        queueMicrotask(flow)
        return { resume: flow, cancel: () => {} }
      })
      const key = nextKey()
      yield* store.put({ key, body })
      assert.isTrue(Buffer.concat(chunks).equals(yield* bytesOf(store, key)))
    }))

  it.scoped("stores a large native body", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const key = nextKey()
      const chunk = new Uint8Array(65_536).fill(7)
      const chunks = Array.from({ length: 100 }, () => chunk)
      const body = Body.concat(chunks.map((bytes) => Body.bytes(bytes)))
      assert.strictEqual(yield* store.put({ key, body }), 6_553_600)
      assert.isTrue(readFileSync(store.pathOf(key)).equals(Buffer.alloc(6_553_600, 7)))
      assert.deepEqual(readdirSync(join(directory, "uploads")), [])
    }))

  it.scoped("leaves nothing behind if the body fails", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const error = yield* Effect.flip(store.put({ key: nextKey(), body: breaksAfter(text("abc")) }))
      assert.deepEqual(error, new StoreError.BodyBroken({ appended: undefined, cause: broken }))
      assert.deepEqual(readdirSync(join(directory, "uploads")), [])
      assert.deepEqual(yield* store.list(undefined, 10), [])
    }))

  it.scoped("stops the body and removes its file when it is interrupted", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      let cancelled = false
      const body = endless([new Uint8Array(300_000)], () => {
        cancelled = true
      })
      const fiber = yield* Effect.fork(store.put({ key: nextKey(), body }))
      yield* until(() => system.calls.some(({ name }) => name === "writev"))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(cancelled)
      assert.strictEqual(system.opened, 0)
      assert.deepEqual(readdirSync(join(directory, "uploads")), [])
    }))

  it.scoped("creates files that only their user can read", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const key = nextKey()
      yield* store.put({ key, body: Body.empty })
      assert.strictEqual(statSync(store.pathOf(key)).mode & 0o777, 0o600)
      for (const name of ["uploads", "blobs"]) {
        assert.strictEqual(statSync(join(directory, name)).mode & 0o777, 0o700)
      }
    }))
})

describe("read", () => {
  it.scoped("uses the memory of a chunk again only after the sink has released the chunk", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      const content = randomBytes(5_000_000)
      yield* store.put({ key, body: Body.bytes(content) })
      const fork = yield* Source.fork
      const buffers = (isReleased: boolean) =>
        Effect.scoped(
          Effect.flatMap(store.read(key), (body) =>
            Effect.async<number, RegistryError.RegistryError>((resume) => {
              const [kept, memory]: [Array<Uint8Array>, Set<ArrayBufferLike>] = [[], new Set()]
              const control = Body.toSource(body, fork)({
                data: (chunk) => {
                  memory.add(chunk.buffer)
                  kept.push(isReleased ? chunk.slice() : chunk)
                  setImmediate(() => {
                    if (isReleased) {
                      control.release?.(chunk)
                      // A second call has no effect.
                      control.release?.(chunk)
                    }
                    control.resume()
                  })
                  return false
                },
                end: () => {
                  assert.isTrue(Buffer.concat(kept).equals(content))
                  resume(Effect.succeed(memory.size))
                },
                fail: (error) => resume(Effect.fail(error))
              })
            }))
        )
      const chunks = Math.ceil(content.byteLength / (120 * 1024))
      assert.strictEqual(yield* buffers(false), chunks)
      assert.isBelow(yield* buffers(true), chunks / 2)
    }))

  it.scoped("returns a span, in memory if it is small", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(text("hello")) })
      const body = yield* store.read(key, { offset: 1, length: 3 })
      assert.strictEqual(new TextDecoder().decode(body.bytes), "ell")
      assert.deepEqual(
        yield* Effect.flip(store.read(key, { offset: 3, length: 3 })),
        new StoreError.RangeInvalid({ key, size: 5 })
      )
    }))

  it.scoped("fails with NotFound for a key without bytes, and for a key that is no name of a file", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      for (const key of [nextKey(), BlobKey("../uploads"), BlobKey(""), BlobKey(".")]) {
        assert.deepEqual(yield* Effect.flip(store.read(key)), new StoreError.NotFound({ key }))
      }
    }))

  it.scoped("fails the body with Truncated if the file has become shorter", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(new Uint8Array(1_000_000)) })
      const body = yield* store.read(key)
      truncateSync(store.pathOf(key), 400_000)
      const error = yield* Effect.flip(Body.forEachChunk(body, () => {}))
      assert.strictEqual(error._tag, "OciUnavailable")
      assert.deepEqual(error.cause, new StoreError.Truncated({ key, size: 400_000 }))
    }))

  it.scoped("does not follow a symbolic link", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const [key, link] = [nextKey(), nextKey()]
      yield* store.put({ key, body: Body.empty })
      writeFileSync(join(directory, "secret"), "secret")
      symlinkSync(join(directory, "secret"), store.pathOf(link))
      const error = yield* Effect.flip(store.read(link))
      assert.strictEqual(error._tag, "OciStoreFailed")
      assert.include(String((error as StoreError.Failed).cause), "it is a symbolic link")
      assert.deepEqual((yield* store.list(undefined, 10)).map((blob) => blob.key), [key])
    }))

  it.scoped("continues while the blob is deleted", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(new Uint8Array(1_000_000)) })
      const body = yield* store.read(key)
      assert.deepEqual(yield* store.delete([key]), [key])
      let size = 0
      yield* Body.forEachChunk(body, (chunk) => size += chunk.byteLength)
      assert.strictEqual(size, 1_000_000)
    }))
})

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => condition() ? Effect.void : Effect.zipRight(Effect.promise(() => pause()), until(condition)))

const pause = () => new Promise((resolve) => setTimeout(resolve, 1))

describe("uploads", () => {
  it.scoped("appends chunks and becomes a blob", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      assert.deepEqual(yield* store.listUploads(undefined, 10), [{ id: "upload", key, token }])
      const one = yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("hel")) })
      assert.deepEqual(one, { offset: 3, token })
      yield* store.append({ token, fence: 2, offset: 3, body: Body.bytes(text("lo")) })
      yield* store.commit({ token, size: 5 })
      yield* store.commit({ token, size: 5 })
      assert.strictEqual(yield* contentOf(store, key), "hello")
      assert.deepEqual(yield* store.listUploads(undefined, 10), [])
      assert.deepEqual(
        yield* Effect.flip(store.append({ token, fence: 3, offset: 5, body: Body.empty })),
        new StoreError.UploadUnknown()
      )
    }))

  it.scoped("discards the bytes after the offset", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("hello world")) })
      yield* store.append({ token, fence: 1, offset: 5, body: Body.bytes(text("!")) })
      yield* store.commit({ token, size: 5 })
      assert.strictEqual(yield* contentOf(store, key), "hello")
    }))

  it.scoped("fails with OffsetMismatch if the upload has fewer bytes", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("abc")) })
      const mismatch = new StoreError.OffsetMismatch({ offset: 3 })
      assert.deepEqual(
        yield* Effect.flip(store.append({ token, fence: 1, offset: 4, body: Body.empty })),
        mismatch
      )
      assert.deepEqual(yield* Effect.flip(store.commit({ token, size: 4 })), mismatch)
    }))

  it.scoped("keeps what was received before the body failed", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      const error = yield* Effect.flip(store.append({ token, fence: 1, offset: 0, body: breaksAfter(text("abc")) }))
      assert.deepEqual(error, new StoreError.BodyBroken({ appended: { offset: 3, token }, cause: broken }))
    }))

  it.scoped("continues an upload of an earlier process", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const key = nextKey()
      const token = yield* store.openUpload({ id: "a/b.c", key })
      yield* store.append({ token, fence: 7, offset: 0, body: Body.bytes(text("abc")) })
      const later = yield* unlocked(directory)
      assert.deepEqual(yield* later.listUploads(undefined, 10), [{ id: "a/b.c", key, token }])
      yield* later.append({ token, fence: 8, offset: 3, body: Body.bytes(text("d")) })
      yield* later.commit({ token, size: 4 })
      assert.strictEqual(yield* contentOf(later, key), "abcd")
    }))

  it.scoped("a higher fence ends the append that runs, and its bytes do not count", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      let cancelled = false
      const old = endless([new Uint8Array(300_000)], () => {
        cancelled = true
      })
      const fiber = yield* Effect.fork(Effect.flip(store.append({ token, fence: 1, offset: 0, body: old })))
      yield* until(() => statSync(join(directory, "uploads", token)).size > 0)
      yield* store.append({ token, fence: 2, offset: 0, body: Body.bytes(text("new")) })
      assert.deepEqual(yield* Fiber.join(fiber), new StoreError.Stale())
      assert.isTrue(cancelled)
      yield* store.commit({ token, size: 3 })
      assert.strictEqual(yield* contentOf(store, key), "new")
    }))

  it.scoped("a lower fence is stale, also after the higher one has ended", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      yield* store.append({ token, fence: 2, offset: 0, body: Body.empty })
      const old = store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("old")) })
      assert.deepEqual(yield* Effect.flip(old), new StoreError.Stale())
    }))

  it.scoped("an abort ends the append that runs, and the upload is unknown", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      const append = store.append({ token, fence: 1, offset: 0, body: endless([new Uint8Array(300_000)]) })
      const fiber = yield* Effect.fork(Effect.flip(append))
      yield* until(() => statSync(join(directory, "uploads", token)).size > 0)
      yield* store.abort(token)
      assert.deepEqual(yield* Fiber.join(fiber), new StoreError.UploadUnknown())
      assert.deepEqual(yield* Effect.flip(store.commit({ token, size: 0 })), new StoreError.UploadUnknown())
      yield* store.abort(token)
      assert.deepEqual(readdirSync(join(directory, "uploads")), [])
    }))

  it.scoped("an interruption closes the file, and the upload continues", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      const fiber = yield* Effect.fork(
        store.append({ token, fence: 1, offset: 0, body: endless([new Uint8Array(300_000)]) })
      )
      yield* until(() => system.calls.some(({ name }) => name === "writev"))
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(system.opened, 0)
      assert.deepEqual(
        yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("a")) }),
        { offset: 1, token }
      )
    }))

  it.scoped("an interruption while the disk syncs does not end the upload", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      const fiber = yield* Effect.fork(store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("a")) }))
      yield* until(() => system.calls.some(({ name }) => name === "datasync"))
      yield* Fiber.interrupt(fiber)
      assert.deepEqual(
        yield* store.append({ token, fence: 2, offset: 0, body: Body.bytes(text("bc")) }),
        { offset: 2, token }
      )
    }))

  it.scoped("refuses tokens that lead out of the directory", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      writeFileSync(join(directory, "file"), "content")
      for (const name of ["../file", "x.../../file", "", ".", ".."]) {
        const token = UploadToken(name)
        yield* store.abort(token)
        assert.deepEqual(yield* Effect.flip(store.commit({ token, size: 0 })), new StoreError.UploadUnknown())
        assert.deepEqual(
          yield* Effect.flip(store.append({ token, fence: 1, offset: 0, body: Body.empty })),
          new StoreError.UploadUnknown()
        )
      }
      assert.strictEqual(readFileSync(join(directory, "file"), "utf8"), "content")
    }))

  it.scoped("lists what a put left behind when its process was killed, but not a put that runs", () =>
    Effect.gen(function*() {
      const { directory, store } = yield* opened
      const [left, running] = [nextKey(), nextKey()]
      writeFileSync(join(directory, "uploads", left), "abc")
      const started = yield* Deferred.make<void>()
      const body = Body.fromSource((sink) => {
        queueMicrotask(() => Deferred.unsafeDone(started, Effect.void))
        return { resume: () => void sink, cancel: () => {} }
      })
      yield* Effect.forkScoped(store.put({ key: running, body }))
      yield* Deferred.await(started)
      const listed = yield* store.listUploads(undefined, 10)
      assert.deepEqual(listed.map(({ key }) => key), [left])
      yield* store.abort(listed[0]!.token)
      assert.deepEqual(yield* store.listUploads(undefined, 10), [])
    }))
})

describe("list and delete", () => {
  it.scoped("lists blobs in pages, ordered by key", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const keys = Array.from({ length: 25 }, nextKey)
      for (const key of [...keys].reverse()) yield* store.put({ key, body: Body.bytes(text(key)) })
      const pages: Array<BlobKey> = []
      for (let after: BlobKey | undefined;;) {
        const page = yield* store.list(after, 10)
        assert.isTrue(page.every(({ key, size }) => size === key.length))
        pages.push(...page.map(({ key }) => key))
        after = pages.at(-1)
        if (page.length < 10) break
      }
      assert.deepEqual(pages, keys)
    }))

  it.scoped("deletes blobs, and reports keys that never had bytes", () =>
    Effect.gen(function*() {
      const { store } = yield* opened
      const [one, other] = [nextKey(), nextKey()]
      yield* store.put({ key: one, body: Body.empty })
      assert.deepEqual(yield* store.delete([one, other]), [one, other])
      assert.deepEqual(yield* store.list(undefined, 10), [])
    }))

  it.scoped("begins a new directory after 4096 blobs, and finds all blobs, also after a restart", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const old = join(directory, "blobs", "0")
      mkdirSync(old, { recursive: true })
      const first = Array.from({ length: 4096 }, (_, index) => keyAt(1_600_000_000_000 + 2 * index))
      for (const key of first) writeFileSync(join(old, key), "")
      const store = yield* unlocked(directory)
      const [middle, next] = [keyAt(1_600_000_000_101), keyAt(1_600_001_000_000)]
      yield* store.put({ key: middle, body: Body.bytes(text("middle")) })
      yield* store.put({ key: next, body: Body.bytes(text("next")) })
      assert.deepEqual(readdirSync(join(directory, "blobs")).sort(), ["0", next])
      const later = yield* unlocked(directory)
      assert.strictEqual(yield* contentOf(later, middle), "middle")
      assert.strictEqual(yield* contentOf(later, next), "next")
      const all = yield* later.list(undefined, 10_000)
      assert.deepEqual(all.map(({ key }) => key), [...first, middle, next].sort())
      assert.deepEqual((yield* later.list(first.at(-1), 10)).map(({ key }) => key), [next])
    }))

  it.scoped("reads a directory once for several pages, and again after a change", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const keys = Array.from({ length: 6 }, nextKey)
      for (const key of keys) yield* store.put({ key, body: Body.empty })
      const listed = Effect.gen(function*() {
        const found: Array<BlobKey> = []
        for (let page = 0; page < 3; page++) {
          found.push(...(yield* store.list(found.at(-1), 2)).map(({ key }) => key))
        }
        return found
      })
      const before = system.calls.length
      assert.deepEqual(yield* listed, keys)
      assert.strictEqual(system.calls.slice(before).filter(({ name }) => name === "readdir").length, 1)
      const [first, ...others] = keys
      yield* store.delete([first!])
      assert.deepEqual(yield* listed, others)
      const added = nextKey()
      yield* store.put({ key: added, body: Body.empty })
      assert.deepEqual(yield* listed, [...others, added])
    }))
})

describe("the lock", () => {
  it.scoped("lets one store own a directory, and is free after the scope", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const open = NodeBlobStore.make({ directory })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* open
        const error = yield* Effect.flip(open)
        assert.instanceOf(error, NodeDirectoryLock.LockFailed)
        assert.strictEqual(
          error.message,
          `cannot open ${directory}: process ${process.pid} uses it; stop that process, or use another directory`
        )
      }))
      yield* Effect.scoped(open)
      assert.deepEqual(readdirSync(directory).sort(), ["blobs", "uploads"])
    }))
})
