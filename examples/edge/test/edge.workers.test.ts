/** Runs the worker in `workerd`, and tests it over HTTP. */
import { Digest } from "@effect-oci/core"
import { expect, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Edge, location, running, send, withDigest } from "./worker.js"

const MiB = 1024 * 1024

layer(running, { timeout: 60_000, excludeTestServices: true })("the registry at the edge", (it) => {
  it.effect("continues an upload in another isolate, in chunks of any size", () =>
    Effect.gen(function*() {
      const content = Buffer.alloc(20 * MiB, "effect-oci ")
      const digest = Digest.fromBytes(content)
      let at = location(yield* send("POST", "/v2/team/app/blobs/uploads/"))
      let from = 0
      for (const [index, size] of [3 * MiB, 100, 9 * MiB, 8 * MiB - 100].entries()) {
        const chunk = content.subarray(from, from + size)
        const response = yield* send("PATCH", at, {
          isolate: index % 2,
          headers: { "content-range": `${from}-${from + size - 1}`, "content-type": "application/octet-stream" },
          body: chunk
        })
        expect([response.status, yield* Effect.promise(() => response.text())]).toEqual([202, ""])
        at = location(response)
        from += size
        expect(response.headers.get("range")).toBe(`0-${from - 1}`)
      }
      expect((yield* send("PUT", withDigest(at, digest), { isolate: 1 })).status).toBe(201)
      const read = yield* send("GET", `/v2/team/app/blobs/${digest}`)
      expect(read.headers.get("content-length")).toBe(String(content.byteLength))
      expect(Digest.fromBytes(new Uint8Array(yield* Effect.promise(() => read.arrayBuffer())))).toBe(digest)
    }), 60_000)

  it.effect("accepts a blake3 digest, although a worker compiles no WebAssembly", () =>
    Effect.gen(function*() {
      const content = new TextEncoder().encode("hello")
      yield* Effect.promise(() => Digest.load("blake3").pipe(Effect.runPromise))
      const digest = Digest.fromBytes(content, "blake3")
      const at = location(yield* send("POST", "/v2/team/app/blobs/uploads/?digest-algorithm=blake3"))
      const pushed = yield* send("PUT", withDigest(at, digest), { body: content })
      expect([pushed.status, yield* Effect.promise(() => pushed.text())]).toEqual([201, ""])
    }))

  it.effect("lets users push below their name, and everyone pull what is public", () =>
    Effect.gen(function*() {
      const start = (user: string, repository: string) =>
        Effect.map(send("POST", `/v2/${repository}/blobs/uploads/`, { user }), ({ status }) => status)
      expect(yield* start("alice", "alice/app")).toBe(202)
      expect(yield* start("alice", "team/app")).toBe(403)
      expect(yield* start("stranger", "stranger/app")).toBe(401)
      expect(yield* start("", "library/app")).toBe(401)
      const list = (repository: string) =>
        Effect.map(send("GET", `/v2/${repository}/tags/list`, { user: "" }), ({ status }) => status)
      expect([yield* list("library/app"), yield* list("team/app")]).toEqual([404, 401])
    }))

  it.effect("collects when its timer ticks", () => Effect.flatMap(Edge, ({ tick }) => tick))
})
