import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { blob, blobDigest } from "../fixtures.js"
import { begin, head, hear } from "../http.js"
import { until } from "../probe.js"
import { check, checkLines } from "../rows.js"
import type { Composition } from "../servers.js"
import { begun } from "../uploadSessions.js"
import type { Begun } from "../uploadSessions.js"

const manifestPath = "/v2/team/app/manifests/v2"

const broken: ReadonlyArray<
  readonly [name: string, method: string, path: (location: string) => string, header: string]
> = [
  ["a chunk of an upload", "PATCH", (location) => location, "Content-Length: 100"],
  ["a stream", "PATCH", (location) => location, "Transfer-Encoding: chunked"],
  ["the last chunk", "PUT", (location) => `${location}?digest=${blobDigest}`, "Content-Length: 2038"],
  ["a blob", "POST", () => `/v2/team/app/blobs/uploads/?digest=${blobDigest}`, "Content-Length: 2048"],
  ["a manifest", "PUT", () => manifestPath, "Content-Length: 100"]
]

export const brokenBodies = (composition: Composition) => {
  describe("bodies that break off", () => {
    it.scoped.each(broken)(
      "33: %s whose sender stops is 400, and leaves nothing",
      ([, method, path, header]) =>
        Effect.gen(function*() {
          const { connection, running } = yield* interrupted(composition, method, path, header)
          yield* connection.halfClose
          const text = yield* connection.closed
          expect(text).toMatch(/^HTTP\/1\.1 400 /)
          if (composition.ownsSockets) expect(text).toContain(`{"errors":[{"code":"SIZE_INVALID","message":`)
          yield* untouched(running)
          yield* finishable(running)
        })
    )

    it.scoped.each(broken)(
      "33: %s whose sender is gone leaves nothing",
      ([, method, path, header]) =>
        Effect.gen(function*() {
          const { connection, running } = yield* interrupted(composition, method, path, header)
          // An answer to another request shows that the server has read this request.
          check(yield* running.ask({ path: "/v2/" }), { status: 200 })
          connection.socket.resetAndDestroy()
          yield* until(() => running.logged().length > 0)
          yield* untouched(running)
          yield* finishable(running)
        })
    )

    it.scoped("handles a client that disconnects before it has sent its body, and one that never sends it", () =>
      Effect.gen(function*() {
        const running = yield* begun(composition)
        const request = begin(running.port, {
          method: "PATCH",
          path: running.location,
          headers: { "content-length": "10", "content-type": "application/octet-stream" }
        })
        const answer = yield* Effect.fork(Effect.flip(hear(request)))
        request.flushHeaders()
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
        request.destroy()
        yield* answer
        yield* until(() => running.logged().length > 0)
        yield* finishable(running)
      }))
  })
}

/** Sends the first five bytes of a body. */
const interrupted = (composition: Composition, method: string, path: (location: string) => string, header: string) =>
  Effect.gen(function*() {
    const running = yield* begun(composition)
    const connection = yield* running.connect
    const body = header.startsWith("T") ? "5\r\nhello" : "hello"
    yield* connection.write(head(method, path(running.location), header) + body)
    return { connection, running }
  })

const untouched = (running: Begun) =>
  Effect.gen(function*() {
    yield* until(() => running.logged().length > 0)
    checkLines(running.logged())
    check(yield* running.ask({ path: "/v2/_catalog" }), { status: 200, body: { repositories: [] } })
  })

/** Verifies that the offset of the session is unchanged and that the upload can continue. */
const finishable = (running: Begun) =>
  Effect.gen(function*() {
    check(yield* running.ask({ path: running.location }), { status: 204, headers: { "upload-offset": "10" } })
    const path = `${running.location}?digest=${blobDigest}`
    check(yield* running.ask({ method: "PUT", path, body: blob.subarray(10) }), { status: 201 })
  })
