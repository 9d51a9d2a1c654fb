import { Body } from "@effect-oci/core"
import { NodeDurableFile, NodeFileSystem } from "@effect-oci/store-files"
import type { NodeBlobStore } from "@effect-oci/store-files"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { RecordedFileSystem } from "./recordedFileSystem.js"
import { contentOf, nextKey, temporary, text, unlocked } from "./stores.js"

/** Opens a store that has a blob already, and forgets the calls until then. */
const recorded = (options?: Partial<NodeBlobStore.Options>) =>
  Effect.gen(function*() {
    const directory = yield* temporary
    const system = new RecordedFileSystem(directory)
    const store = yield* Effect.provideService(unlocked(directory, options), NodeFileSystem.NodeFileSystem, system)
    yield* store.put({ key: nextKey(), body: Body.empty })
    system.calls.length = 0
    return { directory, store, system }
  })

describe("the order of the calls of the file system", () => {
  it.scoped("creates the directories durably before the first blob", () =>
    Effect.gen(function*() {
      const directory = join(yield* temporary, "a", "b")
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      yield* store.put({ key: nextKey(), body: Body.bytes(text("a")) })
      for (const [name, parent] of [["uploads", "."], ["blobs", "."], ["blobs/0", "blobs"]]) {
        const created = system.changes.indexOf(`mkdir ${name}`)
        assert.isAbove(created, -1)
        assert.isAbove(system.changes.indexOf(`sync ${parent}`, created), created)
      }
    }))

  it.scoped("of a put: write, sync the bytes, rename, sync the directory", () =>
    Effect.gen(function*() {
      const { store, system } = yield* recorded()
      const key = nextKey()
      yield* store.put({ key, body: Body.bytes(text("a")) })
      assert.deepEqual(system.changes, [
        `writev uploads/${key}`,
        `datasync uploads/${key}`,
        `rename uploads/${key} blobs/0/${key}`,
        "sync blobs/0"
      ])
    }))

  it.scoped("of an upload: bytes are synced before each offset is acknowledged", () =>
    Effect.gen(function*() {
      const { store, system } = yield* recorded()
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("abc")) })
      assert.deepEqual(system.changes, [`writev uploads/${token}`, `datasync uploads/${token}`])
      system.calls.length = 0
      yield* store.append({ token, fence: 2, offset: 2, body: Body.bytes(text("d")) })
      assert.deepEqual(system.changes, [
        `truncate uploads/${token}`,
        `writev uploads/${token}`,
        `datasync uploads/${token}`
      ])
      system.calls.length = 0
      yield* store.commit({ token, size: 3 })
      assert.deepEqual(system.changes, [`rename uploads/${token} blobs/0/${key}`, "sync blobs/0"])
    }))

  it.scoped("of an upload with `sync: \"commit\"`: bytes are synced before the rename", () =>
    Effect.gen(function*() {
      const { store, system } = yield* recorded({ sync: "commit" })
      const key = nextKey()
      const token = yield* store.openUpload({ id: "upload", key })
      yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("abc")) })
      assert.deepEqual(system.changes, [`writev uploads/${token}`])
      system.calls.length = 0
      yield* store.commit({ token, size: 3 })
      assert.deepEqual(system.changes, [
        `datasync uploads/${token}`,
        `rename uploads/${token} blobs/0/${key}`,
        "sync blobs/0"
      ])
    }))

  it.scoped("of the commit of an upload of an earlier process: its bytes are synced first", () =>
    Effect.gen(function*() {
      const { directory, store, system } = yield* recorded()
      const token = yield* store.openUpload({ id: "upload", key: nextKey() })
      yield* store.append({ token, fence: 1, offset: 0, body: Body.bytes(text("abc")) })
      const later = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      system.calls.length = 0
      yield* later.commit({ token, size: 3 })
      assert.strictEqual(system.changes[0], `datasync uploads/${token}`)
    }))

  it.scoped("of a delete: the directory is synced after all blobs are removed", () =>
    Effect.gen(function*() {
      const { store, system } = yield* recorded()
      const keys = Array.from({ length: 3 }, nextKey)
      for (const key of keys) yield* store.put({ key, body: Body.empty })
      system.calls.length = 0
      yield* store.delete(keys)
      assert.deepEqual(system.changes, [...keys.map((key) => `unlink blobs/0/${key}`), "sync blobs/0"])
    }))

  it.scoped("shares the sync of the directory between puts at the same time", () =>
    Effect.gen(function*() {
      const { store, system } = yield* recorded()
      const keys = Array.from({ length: 64 }, nextKey)
      yield* Effect.forEach(keys, (key) => store.put({ key, body: Body.bytes(text(key)) }), {
        concurrency: "unbounded",
        discard: true
      })
      const count = (name: string) => system.calls.filter((call) => call.name === name).length
      assert.strictEqual(count("datasync"), 64)
      assert.isAtMost(count("sync"), 32)
      // Each rename is before the begin of a sync that ended before its put was acknowledged.
      const last = system.changes.findLastIndex((change) => change.startsWith("rename"))
      assert.isAbove(system.changes.lastIndexOf("sync blobs/0"), last)
    }))

  it.scoped("continues after writes that take only a part of the bytes", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system: NodeFileSystem.FileSystem = {
        ...NodeFileSystem.node,
        open: async (path, flags, mode) => {
          const file = await NodeFileSystem.node.open(path, flags, mode)
          const writev: NodeFileSystem.File["writev"] = ([first = text("")], position) =>
            file.writev([first.subarray(0, 3)], position)
          const readv: NodeFileSystem.File["readv"] = ([first = text("")], position) =>
            file.readv([first.subarray(0, 5)], position)
          return {
            close: () => file.close(),
            datasync: () => file.datasync(),
            stat: () => file.stat(),
            sync: () => file.sync(),
            truncate: (size) => file.truncate(size),
            readv,
            writev
          }
        }
      }
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const key = nextKey()
      yield* store.put({ key, body: Body.concat(["hello", " ", "world"].map((part) => Body.bytes(text(part)))) })
      assert.strictEqual(yield* contentOf(store, key), "hello world")
    }))
})

describe("replace", () => {
  it.scoped("writes aside, syncs, renames and syncs the directory; a failure leaves the old content", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const [file, aside] = [join(directory, "index.json"), join(directory, "aside", "new")]
      mkdirSync(join(directory, "aside"))
      writeFileSync(file, "old")
      const system = new RecordedFileSystem(directory)
      const replace = NodeDurableFile.replace(file, text("new"), aside).pipe(
        Effect.provideService(NodeFileSystem.NodeFileSystem, system)
      )
      yield* replace
      const order = ["writev aside/new", "datasync aside/new", "rename aside/new index.json", "sync ."]
      assert.deepEqual(system.changes.filter((change) => !change.startsWith("mkdir")), order)
      const calls = system.calls.length
      for (let k = 0; k < calls; k++) {
        writeFileSync(file, "old")
        const begin = system.calls.length
        system.fault = (_, index) => index === begin + k ? "EIO" : undefined
        const result = yield* Effect.either(replace)
        if (result._tag === "Right") assert.strictEqual(readFileSync(file, "utf8"), "new")
        else assert.include(["old", "new"], readFileSync(file, "utf8"))
      }
    }))
})
