import { Body } from "@effect-oci/core"
import { NodeFileSystem } from "@effect-oci/store-files"
import type { NodeBlobStore } from "@effect-oci/store-files"
import type { BlobKey } from "@effect-oci/store/BlobStore"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { RecordedFileSystem } from "./recordedFileSystem.js"
import { contentOf, nextKey, temporary, text, unlocked } from "./stores.js"

/** What a history of calls acknowledged. */
interface Acknowledged {
  readonly stored: Map<BlobKey, string>
  readonly errors: Array<{ readonly _tag: string }>
}

const expected: ReadonlySet<string> = new Set([
  "OciStoreFailed",
  "OciStoreFull",
  "OciStoreUploadUnknown",
  "OciStoreOffsetMismatch"
])

/** Puts a blob, uploads another one in two chunks, and deletes a third. */
const history = (store: NodeBlobStore.NodeBlobStore, { errors, stored }: Acknowledged) => {
  const noted = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
    Effect.map(Effect.either(effect), (result) => {
      if (Either.isLeft(result)) errors.push(result.left)
      return Either.getOrUndefined(result)
    })
  return Effect.gen(function*() {
    const [put, uploaded, deleted] = [nextKey(), nextKey(), nextKey()]
    if (undefined !== (yield* noted(store.put({ key: put, body: Body.bytes(text("put")) })))) stored.set(put, "put")
    yield* noted(store.put({ key: deleted, body: Body.bytes(text("deleted")) }))
    const token = yield* noted(store.openUpload({ id: "upload", key: uploaded }))
    if (token !== undefined) {
      const body = Body.concat([Body.bytes(text("up")), Body.bytes(text("loa"))])
      const first = yield* noted(store.append({ token, fence: 1, offset: 0, body }))
      if (first !== undefined) {
        yield* noted(store.append({ token, fence: 2, offset: 5, body: Body.bytes(text("ded")) }))
        const commit = noted(Effect.as(store.commit({ token, size: 8 }), "committed"))
        if (undefined !== (yield* commit)) stored.set(uploaded, "uploaded")
      }
    }
    yield* noted(store.delete([deleted]))
    yield* noted(store.list(undefined, 10))
    yield* noted(store.listUploads(undefined, 10))
    for (const key of stored.keys()) yield* noted(contentOf(store, key) as Effect.Effect<string, { _tag: string }>)
  })
}

const contents: ReadonlySet<string> = new Set(["put", "uploaded", "deleted"])

/** Checks what is visible: all that was acknowledged, and otherwise only complete blobs. */
const check = (store: NodeBlobStore.NodeBlobStore, { stored }: Acknowledged) =>
  Effect.gen(function*() {
    for (const [key, content] of stored) assert.strictEqual(yield* contentOf(store, key), content)
    for (const { key } of yield* store.list(undefined, 100)) {
      assert.include([...contents], yield* contentOf(store, key))
    }
  })

/** Runs the history while calls fail, then without failures, then after a restart. */
const run = (directory: string, fault: RecordedFileSystem["fault"]) =>
  Effect.gen(function*() {
    const system = new RecordedFileSystem(directory)
    const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
    const begin = system.calls.length
    const acknowledged: Acknowledged = { stored: new Map(), errors: [] }
    system.fault = (call, index) => fault(call, index - begin)
    yield* history(store, acknowledged)
    const count = system.calls.length - begin
    for (const error of acknowledged.errors) assert.include([...expected], error._tag)
    assert.strictEqual(system.opened, 0)

    system.fault = () => undefined
    yield* check(store, acknowledged)
    const again: Acknowledged = { stored: new Map(), errors: [] }
    yield* history(store, again)
    assert.deepEqual(again.errors, [])
    assert.strictEqual(again.stored.size, 2)

    const later = yield* unlocked(directory)
    yield* check(later, acknowledged)
    yield* check(later, again)
    for (const { token } of yield* later.listUploads(undefined, 100)) yield* later.abort(token)
    assert.deepEqual(readdirSync(join(directory, "uploads")), [])
    return { count, acknowledged, calls: system.calls.slice(begin, begin + count) }
  })

describe("a call of the file system that fails", () => {
  for (const code of ["EIO", "ENOSPC"]) {
    it.scoped(
      `leaves a consistent store, and a repeated push succeeds, for each call (${code})`,
      () =>
        Effect.gen(function*() {
          const { count } = yield* run(yield* temporary, () => undefined)
          assert.isAbove(count, 40)
          for (let k = 0; k < count; k++) {
            const { calls } = yield* run(yield* temporary, (_, index) => index === k ? code : undefined)
            const { name, path } = calls[k]!
            const later = calls.slice(k + 1).filter((call) => call.name === name && call.path === path)
            if (name === "datasync") assert.deepEqual(later, [])
          }
        }),
      120_000
    )

    it.scoped(`leaves a consistent store if all calls fail after some call (${code})`, () =>
      Effect.gen(function*() {
        const { count } = yield* run(yield* temporary, () => undefined)
        for (let k = 0; k < count; k += 3) {
          yield* run(yield* temporary, ({ name }, index) => index >= k && name !== "close" ? code : undefined)
        }
      }), 120_000)
  }

  it.scoped("reports what was attempted, what happened and what to do", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const key = nextKey()
      system.fault = ({ name }) => name === "datasync" ? "EIO" : undefined
      const error = yield* Effect.flip(store.put({ key, body: Body.empty }))
      assert.strictEqual(
        String((error as { cause?: unknown }).cause),
        `OciFileError: cannot sync ${join(directory, "uploads", key)}: ` +
          "the disk cannot be read or written; check the disk"
      )
    }))

  it.scoped("of a delete leaves the key in place, and reports the others", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const system = new RecordedFileSystem(directory)
      const store = yield* Effect.provideService(unlocked(directory), NodeFileSystem.NodeFileSystem, system)
      const [one, other] = [nextKey(), nextKey()]
      for (const key of [one, other]) yield* store.put({ key, body: Body.empty })
      system.fault = ({ name, path }) => name === "unlink" && path.endsWith(one) ? "EIO" : undefined
      assert.deepEqual(yield* store.delete([one, other]), [other])
      assert.strictEqual((yield* Effect.flip(store.delete([one])))._tag, "OciStoreFailed")
      system.fault = () => undefined
      assert.deepEqual(yield* store.delete([one]), [one])
    }))
})

/** Mounts a file system in memory of 4 MiB. Returns `undefined` if this process may not do that. */
const smallDisk = Effect.acquireRelease(
  Effect.map(temporary, (path) => {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path], { stdio: "ignore" })
      return path
    } catch {
      return undefined
    }
  }),
  (path) =>
    Effect.sync(() => {
      if (path !== undefined) execFileSync("umount", [path])
    })
)

describe("a full disk", () => {
  it.scoped("fails pushes with Full, leaves nothing partial, and reads continue", (context) =>
    Effect.gen(function*() {
      const directory = yield* smallDisk
      if (directory === undefined) return context.skip()
      const store = yield* unlocked(directory)
      const [kept, next] = [nextKey(), nextKey()]
      yield* store.put({ key: kept, body: Body.bytes(text("kept")) })
      const large = Body.concat(Array.from({ length: 80 }, () => Body.bytes(new Uint8Array(65_536))))
      for (const body of [large, Body.bytes(new Uint8Array(5_242_880))]) {
        assert.strictEqual((yield* Effect.flip(store.put({ key: nextKey(), body })))._tag, "OciStoreFull")
        const token = yield* store.openUpload({ id: "upload", key: nextKey() })
        assert.strictEqual(
          (yield* Effect.flip(store.append({ token, fence: 1, offset: 0, body })))._tag,
          "OciStoreFull"
        )
        // What was written does not take space any more.
        const half = Body.bytes(new Uint8Array(2_097_152))
        assert.strictEqual((yield* store.append({ token, fence: 2, offset: 0, body: half })).offset, 2_097_152)
        yield* store.abort(token)
        assert.strictEqual(yield* contentOf(store, kept), "kept")
        assert.deepEqual(yield* store.list(undefined, 10), [{ key: kept, size: 4 }])
      }
      yield* store.put({ key: next, body: Body.bytes(new Uint8Array(2_097_152)) })
      assert.deepEqual(readdirSync(join(directory, "uploads")), [])
    }))
})
