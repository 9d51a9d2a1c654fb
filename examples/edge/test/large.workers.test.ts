/** Streams much content through the worker. */
import { expect, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { location, running, send, withDigest } from "./worker.js"

const MiB = 1024 * 1024

layer(running, { timeout: 60_000, excludeTestServices: true })("the registry at the edge", (it) => {
  it.effect("streams a blob of 100 MiB in and out", () =>
    Effect.gen(function*() {
      const piece = Buffer.alloc(MiB, "0123456789")
      const hash = createHash("sha256")
      for (let n = 0; n < 100; n++) hash.update(piece)
      const digest = `sha256:${hash.digest("hex")}`
      let sent = 0
      const body = new ReadableStream({
        pull: (controller) => sent++ < 100 ? controller.enqueue(piece) : controller.close()
      })
      const at = location(yield* send("POST", "/v2/team/large/blobs/uploads/"))
      const pushed = yield* send("PUT", withDigest(at, digest), {
        body,
        headers: { "content-type": "application/octet-stream" }
      })
      expect([pushed.status, yield* Effect.promise(() => pushed.text())]).toEqual([201, ""])
      const read = yield* send("GET", `/v2/team/large/blobs/${digest}`, { isolate: 1 })
      const received = createHash("sha256")
      yield* Effect.promise(async () => {
        const reader = read.body!.getReader()
        for (let next = await reader.read(); !next.done; next = await reader.read()) received.update(next.value)
      })
      expect(`sha256:${received.digest("hex")}`).toBe(digest)
      const range = yield* send("GET", `/v2/team/large/blobs/${digest}`, { headers: { range: "bytes=10-19" } })
      expect([range.status, yield* Effect.promise(() => range.text())]).toEqual([206, "0123456789"])
    }), 120_000)
})
