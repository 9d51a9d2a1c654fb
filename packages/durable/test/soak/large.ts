/** Pushes and pulls one large blob, and measures the memory of the server. */
import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { Readable } from "node:stream"
import { folderIn } from "../programs.js"
import { buildServer, memoryOf, startServer } from "./server.js"

const mebibyte = 1024 * 1024

/** Creates content in pieces of 1 MiB. Each piece is different. */
const contentOf = function*(mebibytes: number) {
  const piece = randomBytes(mebibyte)
  for (let n = 0; n < mebibytes; n++) {
    const bytes = Buffer.from(piece)
    bytes.writeUInt32BE(n)
    yield bytes
  }
}

const put = (url: URL, mebibytes: number) =>
  new Promise<string>((resolve, reject) => {
    const hash = createHash("sha256")
    const content = function*() {
      for (const bytes of contentOf(mebibytes)) {
        hash.update(bytes)
        yield bytes
      }
    }
    const headers = { "content-length": mebibytes * mebibyte, "content-range": `0-${mebibytes * mebibyte - 1}` }
    const patch = request(url, { method: "PATCH", headers }, (response) => {
      response.resume()
      const location = new URL(response.headers.location ?? "", url)
      location.searchParams.set("digest", `sha256:${hash.digest("hex")}`)
      if (response.statusCode === 202) resolve(location.href)
      else reject(new Error(`the server answered ${response.statusCode}`))
    })
    patch.on("error", reject)
    Readable.from(content()).pipe(patch)
  })

const pushAndPull = async (url: string, mebibytes: number) => {
  const begun = await fetch(`${url}/v2/large/blobs/uploads/`, { method: "POST" })
  const location = await put(new URL(begun.headers.get("location") ?? "", url), mebibytes)
  const pushed = await fetch(location, { method: "PUT" })
  assert.strictEqual(pushed.status, 201)
  const digest = pushed.headers.get("docker-content-digest") ?? ""
  const pulled = await fetch(`${url}/v2/large/blobs/${digest}`)
  const hash = createHash("sha256")
  const reader = pulled.body!.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    hash.update(value)
  }
  assert.strictEqual(`sha256:${hash.digest("hex")}`, digest)
}

/** Returns by how many MiB the memory of the server grew at most, after a first blob of 64 MiB. */
export const growthOf = (mebibytes: number) =>
  Effect.gen(function*() {
    const program = yield* buildServer()
    const directory = yield* folderIn(tmpdir())
    const options = { directory, grace: 60_000, uploadTimeToLive: 600_000, collectEvery: 60_000 }
    const server = yield* (yield* startServer(program, options)).serving
    const memory = Effect.promise(() => memoryOf(server))
    yield* Effect.promise(() => pushAndPull(server.url, 64))
    const before = yield* memory
    let most = before
    const watch = Effect.map(memory, (bytes) => {
      most = Math.max(most, bytes)
    })
    yield* Effect.raceFirst(
      Effect.promise(() => pushAndPull(server.url, mebibytes)),
      Effect.repeat(watch, Schedule.spaced("100 millis")).pipe(Effect.zipRight(Effect.never))
    )
    return Math.round((most - before) / mebibyte)
  }).pipe(Effect.scoped)
