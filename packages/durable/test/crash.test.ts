import { Body, Digest, Registry } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { MetadataStore } from "@effect-oci/store"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { layerOf, repository, tagOf } from "./images.js"
import { buildProgram, folderIn } from "./programs.js"

/**
 * Runs the program, and kills it when an effect has ended that begins with its first output. Returns the numbers that the
 * program acknowledged.
 */
const pushAndKill = <E>(program: string, directory: string, first: number, whileRunning: Effect.Effect<void, E>) =>
  Effect.gen(function*() {
    const child = spawn(process.execPath, [program, directory, String(first)], { stdio: ["ignore", "pipe", "pipe"] })
    yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
    const output = { text: "", errors: "" }
    const begun = yield* Deferred.make<void>()
    const closed = yield* Deferred.make<void>()
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.text += text
      Deferred.unsafeDone(begun, Effect.void)
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.errors += text
    })
    child.on("close", () => {
      Deferred.unsafeDone(begun, Effect.void)
      Deferred.unsafeDone(closed, Effect.void)
    })
    yield* Deferred.await(begun)
    yield* whileRunning
    child.kill("SIGKILL")
    yield* Deferred.await(closed)
    assert.strictEqual(output.errors, "")
    return output.text.slice(0, output.text.lastIndexOf("\n")).split("\n").map(Number)
  }).pipe(Effect.scoped)

const expectImage = (number: number) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const { descriptor } = yield* registry.getManifest(repository, tagOf(number))
    assert.isString(descriptor.digest)
    const { body } = yield* registry.getBlob(repository, Digest.fromBytes(layerOf(number)))
    const bytes = yield* Body.toBytes(body, { limit: 1_000_000, onLimit: () => new Error("too long") as never })
    assert.strictEqual(Digest.fromBytes(bytes), Digest.fromBytes(layerOf(number)))
  }).pipe(Effect.scoped)

describe("a killed process", () => {
  it.scopedLive("has lost nothing that it acknowledged, and frees the directory", () =>
    Effect.gen(function*() {
      const program = yield* buildProgram("pusher")
      const directory = yield* folderIn(tmpdir())
      const acknowledged: Array<number> = []
      for (let round = 0; round < 4; round++) {
        const numbers = yield* pushAndKill(program, directory, (round + 1) * 100_000, Effect.sleep(10 + 60 * round))
        acknowledged.push(...numbers)
      }
      yield* Effect.gen(function*() {
        yield* Effect.forEach(acknowledged, expectImage, { concurrency: 8 })
        const metadata = yield* MetadataStore.MetadataStore
        // Every blob that the metadata names has its bytes.
        const blobs = yield* metadata.inspectBlobs(undefined, 1_000_000)
        const registry = yield* Registry
        for (const { descriptor } of blobs) {
          const { body } = yield* registry.getBlob(repository, descriptor.digest)
          const bytes = yield* Body.toBytes(body, { limit: 1_000_000, onLimit: () => new Error("too long") as never })
          assert.strictEqual(Digest.fromBytes(bytes), descriptor.digest)
        }
      }).pipe(Effect.scoped, Effect.provide(Durable.layer({ directory })))
      assert.isAbove(acknowledged.length, 4)
    }), 120_000)

  it.scopedLive("had the directory for itself", () =>
    Effect.gen(function*() {
      const program = yield* buildProgram("pusher")
      const directory = yield* folderIn(tmpdir())
      const open = Effect.scoped(Layer.build(Durable.layer({ directory })))
      const refused = Effect.map(Effect.flip(open), (error) => {
        assert.include(
          error.message,
          `cannot open the folder ${directory}: another process uses it; stop the other process first`
        )
      })
      yield* pushAndKill(program, directory, 1, refused)
      yield* open
    }), 60_000)
})
