import { Body, Descriptor, Digest, MediaType, Registry, RegistryError, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Deferred, Effect, Either, Fiber, Layer, Stream } from "effect"
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { open as openFile } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { Copy } from "../src/index.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, pushImage, recorded, v1 } from "./support.js"

const { repository } = NodeOciLayout

const opened = (path: string, options: NodeOciLayout.Options = { create: true }) =>
  Effect.map(Layer.build(NodeOciLayout.layer(path, options)), (context) => Context.get(context, Registry))

/** Lists the files in a folder and in the folders below. */
const filesOf = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()

const open = () => readdirSync("/proc/self/fd").length

const tagsOf = (registry: Registry["Type"]) =>
  Effect.map(Stream.runCollect(registry.listTags(repository)), Chunk.toReadonlyArray)

const numbers = (size: number) => Uint8Array.from({ length: size }, (_, index) => index % 251)

/** Returns the prototype of open files. */
const openFiles = Effect.promise(async () => {
  const file = await openFile(process.execPath)
  await file.close()
  return Object.getPrototypeOf(file) as FileHandle
})

/** Runs an effect while the disk is full: every write fails. */
const whileFull = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.map(openFiles, (files) => {
      const writev = Object.getOwnPropertyDescriptor(files, "writev")!
      files.writev = () => Promise.reject(Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" }))
      return { files, writev }
    }),
    () => effect,
    ({ files, writev }) =>
      Effect.sync(() => {
        Object.defineProperty(files, "writev", writev)
      })
  )

describe("an upload into a layout", () => {
  it.scoped("resumes after a chunk that broke off, and leaves only the blob", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path)
      const bytes = numbers(10_000)
      const { id } = yield* layout.startUpload(repository)
      const broken = Body.stream(
        Stream.concat(Stream.make(bytes.subarray(0, 4000)), Stream.fail(new Error("the wire is cut")))
      )
      yield* Effect.flip(layout.appendUpload(repository, id, broken, { offset: 0 }))
      const { offset } = yield* layout.getUpload(repository, id)
      expect(offset).toBe(4000)
      const digest = Digest.fromBytes(bytes)
      yield* layout.completeUpload(repository, id, digest, { offset, body: Body.bytes(bytes.subarray(offset)) })
      const content = yield* layout.getBlob(repository, digest)
      expect(Digest.fromBytes(yield* Body.toBytes(content.body, { limit: 1e6, onLimit: () => "large" }))).toBe(digest)
      expect(filesOf(path)).toEqual([digest.slice("sha256:".length), "index.json", "oci-layout"])
    }))

  it.scoped("accepts one chunk at a time: a newer chunk ends the one that runs", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path)
      const bytes = numbers(2000)
      const { id } = yield* layout.startUpload(repository)
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const slow = Body.stream(
        Stream.concat(
          Stream.make(new Uint8Array(1000)),
          Stream.unwrap(
            Deferred.succeed(begun, undefined).pipe(
              Effect.zipRight(Deferred.await(go)),
              Effect.as(Stream.make(bytes.subarray(1000)))
            )
          )
        )
      )
      const first = yield* Effect.fork(layout.appendUpload(repository, id, slow, { offset: 0 }))
      yield* Deferred.await(begun)
      const newer = layout.appendUpload(repository, id, Body.bytes(bytes), { offset: 0 })
      expect((yield* newer).offset).toBe(2000)
      yield* Deferred.succeed(go, undefined)
      expect((yield* Effect.flip(Fiber.join(first)))._tag).toBe("OciRangeInvalid")
      yield* layout.completeUpload(repository, id, Digest.fromBytes(bytes), { offset: 2000 })
      const content = yield* layout.getBlob(repository, Digest.fromBytes(bytes))
      yield* Stream.runDrain(content.stream)
    }))

  it.live("closes and removes its file if it is interrupted", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path)
      const before = open()
      const begun = yield* Deferred.make<void>()
      const endless = Body.fromSource((sink) => {
        const state = { over: false }
        const step = () => {
          while (!state.over && sink.data(numbers(100_000)));
        }
        queueMicrotask(step)
        Deferred.unsafeDone(begun, Effect.void)
        return {
          resume: () => setImmediate(step),
          cancel: () => {
            state.over = true
          }
        }
      })
      const fiber = yield* Effect.fork(
        layout.pushBlob(repository, { ...Descriptor.fromBytes(numbers(1)), size: 1e12 }, endless)
      )
      yield* Deferred.await(begun)
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(fiber)
      expect(open()).toBe(before)
      expect(filesOf(path)).toEqual(["index.json", "oci-layout"])
    })))

  it.scoped("may be empty, use any algorithm, and contain a blob that exists or is uploaded at the same time", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path)
      const contents = [new Uint8Array(0), numbers(300_000)]
      yield* Digest.load("blake3")
      const blobs = contents.flatMap((bytes) =>
        Digest.algorithms.map((algorithm) => ({
          bytes,
          descriptor: { ...Descriptor.fromBytes(bytes), digest: Digest.fromBytes(bytes, algorithm) }
        }))
      )
      const push = ({ bytes, descriptor }: typeof blobs[number]) =>
        layout.pushBlob(repository, descriptor, Body.bytes(bytes))
      yield* Effect.forEach([...blobs, ...blobs, ...blobs], push, { concurrency: "unbounded", discard: true })
      yield* Effect.forEach(blobs, push, { discard: true })
      for (const { bytes, descriptor } of blobs) {
        const content = yield* layout.getBlob(repository, descriptor.digest)
        const read = yield* Body.toBytes(content.body, { limit: 1e6, onLimit: () => "large" })
        expect(Buffer.compare(read, bytes)).toBe(0)
      }
      expect(filesOf(path)).toEqual(
        [...blobs.map(({ descriptor }) => descriptor.digest.split(":")[1]!), "index.json", "oci-layout"].sort()
      )
    }))
})

const copied = Effect.gen(function*() {
  const path = yield* folder
  const source = yield* recorded()
  yield* pushImage(source.registry, ["one"], {}, [v1])
  const layout = yield* opened(path)
  const from = { registry: source.registry, repository: app, reference: v1 }
  const copy = (tag: Tag.Tag) => Copy.copy(from, { registry: layout, repository, tags: [tag] })
  yield* copy(v1)
  return { path, layout, source, copy, text: () => readFileSync(join(path, "index.json"), "utf8") }
})

describe("the index of a layout", () => {
  it.scoped("does not change if the disk is full, and the error says so", () =>
    Effect.gen(function*() {
      const { copy, layout, path, text } = yield* copied
      const before = { text: text(), files: filesOf(path) }
      const error = yield* Effect.flip(whileFull(copy(Tag.make("v2"))))
      expect(error._tag).toBe("OciDenied")
      expect(error.message).toContain("there is no space left")
      expect({ text: text(), files: filesOf(path) }).toEqual(before)
      expect(yield* tagsOf(layout)).toEqual([v1])
      yield* copy(Tag.make("v2"))
      expect(yield* tagsOf(layout)).toEqual([v1, "v2"])
    }))

  it.scoped("contains a moved tag once, and no deleted tag, in every form of its name", () =>
    Effect.gen(function*() {
      const { layout, path, source, text } = yield* copied
      const named = (name: string) => text().replace(`"org.opencontainers.image.ref.name":"${v1}"`, name)
      const foreign = named("\"org.opencontainers.image.ref.name\":\"docker.io/library/app:v1\"")
      writeFileSync(join(path, "index.json"), foreign)
      expect(yield* tagsOf(layout)).toEqual([v1])

      const other = yield* pushImage(source.registry, ["two"], {}, [Tag.make("v2")])
      yield* Copy.copy(
        { registry: source.registry, repository: app, reference: Tag.make("v2") },
        { registry: layout, repository, tags: [v1] }
      )
      const again = yield* opened(path)
      expect((yield* again.resolveManifest(repository, v1)).digest).toBe(other.digest)

      writeFileSync(join(path, "index.json"), foreign)
      yield* layout.deleteTag(repository, v1)
      expect(yield* tagsOf(yield* opened(path))).toEqual([])
    }))

  it.scoped("keeps its other members", () =>
    Effect.gen(function*() {
      const { copy, path, text } = yield* copied
      const more = { annotations: { "com.example": "kept" }, extra: [1] }
      writeFileSync(join(path, "index.json"), JSON.stringify({ ...JSON.parse(text()), ...more }))
      yield* copy(Tag.make("v2"))
      expect(JSON.parse(text())).toMatchObject(more)
    }))

  it.scoped("contains the media type of manifests that do not contain it, and must contain it", () =>
    Effect.gen(function*() {
      const { layout, path, text } = yield* copied
      const config = Descriptor.fromBytes(new TextEncoder().encode("{}"), MediaType.empty)
      yield* layout.pushBlob(repository, config, Body.bytes(new TextEncoder().encode("{}")))
      const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, config, layers: [] }))
      const pushed = yield* layout.pushManifest(repository, { mediaType: MediaType.image, bytes, tags: [v1] })
      const again = yield* opened(path)
      const manifest = yield* again.getManifest(repository, v1)
      expect(manifest.descriptor).toMatchObject({ mediaType: MediaType.image, digest: pushed.digest })

      writeFileSync(join(path, "index.json"), text().replaceAll(`"mediaType":"${MediaType.image}",`, ""))
      const refused = yield* Effect.flip(Effect.scoped(opened(path)))
      expect(refused.message).toContain("manifests[0] must be a descriptor with a media type, a digest and a size")
      const error = yield* Effect.flip(again.resolveManifest(repository, v1))
      expect(error.message).toContain("manifests[0] must be a descriptor")
    }))

  it.live("can be read while other processes delete", () =>
    Effect.scoped(Effect.gen(function*() {
      const { copy, layout, path } = yield* copied
      const reader = yield* opened(path)
      const digest = (yield* layout.resolveManifest(repository, v1)).digest
      const writing = Effect.repeatN(Effect.zipRight(layout.deleteManifest(repository, digest), copy(v1)), 30)
      const fiber = yield* Effect.fork(writing)
      const read = Effect.either(reader.resolveManifest(repository, v1))
      const answers = yield* Effect.iterate([] as Array<Either.Either<unknown, RegistryError.RegistryError>>, {
        while: () => fiber.unsafePoll() === null,
        body: (before) => Effect.map(Effect.zipLeft(read, Effect.yieldNow()), (answer) => [...before, answer])
      })
      yield* Fiber.join(fiber)
      const errors = answers.filter(Either.isLeft).map(({ left }) => left)
      expect(errors.filter((error) => !RegistryError.isNotFound(error))).toEqual([])
      expect(answers.length).toBeGreaterThan(10)
    })))

  it.live("is created once by processes that create it at the same time", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = join(yield* folder, "new")
      const source = yield* recorded()
      const names = Array.from({ length: 8 }, (_, index) => Tag.make(`t${index}`))
      yield* Effect.forEach(names, (name) => pushImage(source.registry, [name], {}, [name]))
      yield* Effect.forEach(names, (reference) =>
        Effect.flatMap(opened(path), (registry) =>
          Copy.copy({ registry: source.registry, repository: app, reference }, { registry, repository })), {
        concurrency: "unbounded"
      })
      expect(yield* tagsOf(yield* opened(path))).toEqual(names)
    })))
})

describe("files that killed processes leave in a layout", () => {
  it.live("are removed when the layout is opened, and files that another process may use are kept", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      yield* opened(path)
      const ingest = join(path, "ingest")
      const files = {
        [`upload-a.999999@${hostname()}`]: false,
        [`blob-b.999999@${hostname()}`]: false,
        [`file-c.999999@${hostname()}`]: false,
        [`upload-d.${process.pid}@${hostname()}`]: true,
        "upload-e.999999@another.example": true,
        "upload-f": true
      }
      for (const name of Object.keys(files)) writeFileSync(join(ingest, name), "part")
      yield* Effect.scoped(opened(path))
      expect(readdirSync(ingest).sort()).toEqual(Object.keys(files).filter((name) => files[name]).sort())

      for (const name of readdirSync(ingest)) utimesSync(join(ingest, name), 0, 0)
      yield* Effect.scoped(opened(path))
      expect(readdirSync(ingest)).toEqual([`upload-d.${process.pid}@${hostname()}`])
    })))

  it.live("contain the process in their name while an upload runs, so that another run keeps them", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const layout = yield* opened(path)
      const { id } = yield* layout.startUpload(repository)
      yield* layout.appendUpload(repository, id, Body.bytes(numbers(10)), { offset: 0 })
      expect(readdirSync(join(path, "ingest"))).toEqual([expect.stringMatching(/^store-.+\.\d+@/)])
      expect(filesOf(join(path, "ingest"))).toHaveLength(1)
      yield* opened(path)
      expect((yield* layout.getUpload(repository, id)).offset).toBe(10)
      yield* layout.completeUpload(repository, id, Digest.fromBytes(numbers(10)), { offset: 10 })
      expect(filesOf(join(path, "ingest"))).toEqual([])
    })))
})

describe("the lock of a layout", () => {
  it.live("is taken if a killed process left it without its name", () =>
    Effect.scoped(Effect.gen(function*() {
      const { copy, path } = yield* copied
      const lock = join(path, "index.json.lock")
      writeFileSync(lock, "")
      utimesSync(lock, 0, 0)
      yield* copy(Tag.make("v2"))
      expect(existsSync(lock)).toBe(false)
    })))

  it.live("is taken by only one process if its owner has ended", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      const source = yield* recorded()
      const names = Array.from({ length: 6 }, (_, index) => Tag.make(`t${index}`))
      yield* Effect.forEach(names, (name) => pushImage(source.registry, [name], {}, [name]))
      const layouts = yield* Effect.forEach(names, () => opened(path))
      writeFileSync(join(path, "index.json.lock"), `${hostname()} 999999\n`)
      yield* Effect.forEach(names, (reference, at) =>
        Copy.copy({ registry: source.registry, repository: app, reference }, { registry: layouts[at]!, repository }), {
        concurrency: "unbounded"
      })
      expect(yield* tagsOf(layouts[0]!)).toEqual(names)
      expect(existsSync(join(path, "index.json.lock"))).toBe(false)
      expect(existsSync(join(path, "index.json.lock.clearing"))).toBe(false)
    })))
})

describe("a path where no layout can be created", () => {
  it.live("is named in the error, with the reason", () =>
    Effect.scoped(Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "file"), "")
      const paths: ReadonlyArray<readonly [string, RegExp]> = [
        ["/proc/effect-oci", /\/proc\/effect-oci.*: a folder cannot be created there/],
        ["/proc/effect-oci/deeper", /: a folder cannot be created there/],
        [join(path, "file"), /file: it is not a folder/],
        [join(path, "file", "below"), /: a part of its path is a file, not a folder/],
        [join(path, "n".repeat(300)), /: its name is too long/]
      ]
      for (const [bad, says] of paths) {
        const error = yield* Effect.flip(Effect.scoped(opened(bad)))
        expect(error).toBeInstanceOf(NodeOciLayout.LayoutInvalid)
        expect(error.message).toMatch(says)
        expect(error.message).not.toMatch(/E[A-Z]{4,}/)
      }
    })))
})
