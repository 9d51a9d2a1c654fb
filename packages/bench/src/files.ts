/**
 * Measures the blob store in a directory. 256 MiB are received from curl, hashed and synced, and sent to curl, in turns by
 * the store and by the least code that does the same with `node:fs`. Then 16 clients put small blobs at once, and each put
 * does the calls that one durable blob needs.
 */
import { Body } from "@effect-oci/core"
import { NodeBlobStore } from "@effect-oci/store-files"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"
import { mkdir, open, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as curl from "./internal/curl.js"
import { folder } from "./internal/folder.js"
import { divided, interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import type * as FilesProgram from "./programs/files.js"

const MiB = 1024 * 1024
const size = 256 * MiB
const clients = 16
const blobsPerRound = 400

let last = 0

/** Returns a new key. */
const nextKey = () => BlobKey(`00000000-0000-7000-8000-${String(++last).padStart(12, "0")}`)

/** Measures one large blob, in seconds. */
const large = (path: string) =>
  Effect.gen(function*() {
    const input = join(path, "input")
    yield* Effect.promise(() => writeFile(input, randomFillSync(new Uint8Array(size))))
    const program = yield* Program.start<FilesProgram.Questions>("files")
    const origin = `http://${yield* program.ask("listen", path)}`
    const put = (url: string) => curl.upload(url, input)
    const served = nextKey()
    yield* put(`${origin}/store/${served}`)
    yield* put(`${origin}/raw/served`)
    const { rss } = yield* program.usage
    const rounds = yield* interleave(
      new Map([
        ["received", Effect.suspend(() => put(`${origin}/store/${nextKey()}`))],
        ["received by node:fs", Effect.suspend(() => put(`${origin}/raw/received`))],
        ["sent", curl.download(`${origin}/store/${served}`, size)],
        ["sent by node:fs", curl.download(`${origin}/raw/served`, size)]
      ]),
      { warmUp: 2, rounds: 5 }
    )
    const growth = ((yield* program.usage).peak - rss) / MiB
    return { growth, at: samplesOf(rounds) }
  })

/** Puts a blob with the calls that a durable blob needs, and no others. */
const putRaw = (path: string) =>
  Effect.promise(async () => {
    const name = nextKey()
    const file = await open(join(path, "part", name), "wx")
    await file.writev([new Uint8Array(1024)])
    await file.datasync()
    await file.close()
    await rename(join(path, "part", name), join(path, "done", name))
    const directory = await open(join(path, "done"))
    await directory.sync()
    await directory.close()
  })

/** Returns how many small blobs are put in a second. */
const rate = (put: Effect.Effect<unknown, unknown>) =>
  Effect.suspend(() => {
    const start = performance.now()
    const all = Effect.forEach(Array.from({ length: blobsPerRound }), () => put, {
      concurrency: clients,
      discard: true
    })
    return Effect.map(all, () => blobsPerRound / (performance.now() - start) * 1000)
  })

/** Measures small blobs, in blobs per second. */
const small = (path: string) =>
  Effect.gen(function*() {
    for (const name of ["part", "done"]) yield* Effect.promise(() => mkdir(join(path, name)))
    const store = yield* NodeBlobStore.make({ directory: join(path, "small") })
    const put = Effect.suspend(() => store.put({ key: nextKey(), body: Body.bytes(new Uint8Array(1024)) }))
    const rounds = yield* interleave(new Map([["store", rate(put)], ["raw", rate(putRaw(path))]]), {
      warmUp: 1,
      rounds: 5
    })
    return samplesOf(rounds)
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(Effect.gen(function*() {
  if (yield* leftOut("curl")) return []
  const { at, growth } = yield* Effect.scoped(Effect.flatMap(folder, large))
  const puts = yield* Effect.scoped(Effect.flatMap(folder, small))
  const lower = { unit: "s", better: "lower" } as const
  const ratio = { unit: "", better: "higher", target: 0.9 } as const
  return [
    row({ ...lower, name: "files: 256 MiB received, hashed, durable" }, at("received")),
    row({ ...lower, name: "files: the same by node:fs" }, at("received by node:fs")),
    row(
      { ...ratio, name: "files: received, time of node:fs over ours" },
      divided(at("received by node:fs"), at("received"))
    ),
    row({ ...lower, name: "files: 256 MiB sent" }, at("sent")),
    row({ ...lower, name: "files: the same by node:fs" }, at("sent by node:fs")),
    row({ ...ratio, name: "files: sent, time of node:fs over ours" }, divided(at("sent by node:fs"), at("sent"))),
    row({ name: "files: memory growth over these transfers", unit: "MiB", better: "lower", target: 32 }, [growth]),
    row({ name: `files: ${clients} clients put blobs of 1 KiB`, unit: "blobs/s", better: "higher" }, puts("store")),
    row({ name: "files: the same by node:fs", unit: "blobs/s", better: "higher" }, puts("raw"))
  ]
}))
