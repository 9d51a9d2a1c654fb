import { Body, RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { blobDigest, blobPath, fill } from "../fixtures.js"
import { ask, get } from "../http.js"
import * as probe from "../probe.js"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

export const connections = (composition: Composition) => {
  describe("connections", () => {
    it.scoped("answers pipelined requests in order on one connection", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        yield* fill(running.registry)
        const paths = [
          "/v2/",
          "/v2/team/app/manifests/v1",
          blobPath,
          "/v2/team/app/manifests/nothing",
          "/v2/team/app/tags/list"
        ]
        const connection = yield* running.connect
        yield* connection.write(
          Array.from(
            { length: 40 },
            (_, index) => get(paths[index % 5]!, `Connection: ${index < 39 ? "keep-alive" : "close"}`)
          )
            .join("")
        )
        const text = yield* connection.closed
        const marks = [/\{\}/, /"custom"/, /accept-ranges/, /MANIFEST_UNKNOWN/, /"tags"/]
        const answers = text.split("HTTP/1.1 ").slice(1)
        expect(answers).toHaveLength(40)
        answers.forEach((answer, index) => expect(answer).toMatch(marks[index % 5]!))
      }))

    it.scoped("sends an answer after the answer before it", () =>
      Effect.gen(function*() {
        const first = yield* Deferred.make<void>()
        const running = yield* start(composition, {
          registry: probe.answering({
            GetManifest: () =>
              Effect.zipRight(Deferred.await(first), Effect.fail(new RegistryError.ManifestUnknown({}))),
            ResolveBlob: () =>
              Effect.zipRight(Deferred.succeed(first, undefined), Effect.fail(new RegistryError.BlobUnknown({})))
          })
        })
        const connection = yield* running.connect
        yield* connection.write(
          get("/v2/team/app/manifests/v1") + get("/v2/") + `HEAD ${blobPath} HTTP/1.1\r\nHost: a\r\n\r\n`
        )
        yield* connection.until(/HTTP\/1\.1 404 [^]*MANIFEST_UNKNOWN[^]*HTTP\/1\.1 200 [^]*HTTP\/1\.1 404 /)
      }))

    it.scoped("interrupts the operation of a client that disconnects, and its waiting requests (T47)", () =>
      Effect.gen(function*() {
        const waiting = yield* Effect.all([probe.endless, probe.endless, probe.endless])
        let calls = 0
        const running = yield* start(composition, {
          registry: probe.answering({ GetManifest: () => waiting[calls++ % 3]!.run(Effect.never) })
        })
        const idle = running.fibers()
        const connection = yield* running.connect
        yield* connection.write(get("/v2/team/app/manifests/v1").repeat(composition.ownsSockets ? 3 : 1))
        yield* waiting[0].begun
        expect(running.fibers()).toBeGreaterThan(idle)
        for (const { begun, ended } of composition.ownsSockets ? waiting : waiting.slice(0, 1)) {
          yield* begun
          connection.socket.destroy()
          expect(Exit.isInterrupted(yield* ended)).toBe(true)
        }
        yield* probe.until(() => running.fibers() === idle)
      }))

    it.scoped("ends the operation of a client that disconnects in the middle of its body", () =>
      Effect.gen(function*() {
        const reading = yield* probe.endless
        const running = yield* start(composition, {
          registry: probe.answering({
            PushBlob: ({ body }) => reading.run(Effect.zipRight(Body.forEachChunk(body, () => {}), Effect.never))
          })
        })
        const connection = yield* running.connect
        yield* connection.write(
          `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\nhello`
        )
        yield* reading.begun
        connection.socket.destroy()
        const exit = yield* reading.ended
        expect(Exit.isFailure(exit)).toBe(true)
        if (composition.ownsSockets) {
          expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
            "the request's body broke off after 5 of 2048 bytes"
          )
        }
      }))

    // Another server interrupts the operation of a client that disconnects.
    it.scoped.runIf(composition.ownsSockets)(
      "answers with the offset of an upload session after what a broken request sent is stored",
      () =>
        Effect.gen(function*() {
          const [broken, stored] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
          let offset = 0
          const running = yield* start(composition, {
            registry: probe.answering({
              StartUpload: () => Effect.succeed({ id: "1", offset }),
              GetUpload: () => Effect.sync(() => ({ id: "1", offset })),
              AppendUpload: ({ body, id }) =>
                Body.forEachChunk(body, () => {}).pipe(
                  Effect.onError(() => Deferred.succeed(broken, undefined)),
                  Effect.ignore,
                  Effect.zipRight(Deferred.await(stored)),
                  Effect.map(() => ({ id, offset: offset = 5 }))
                )
            })
          })
          const { headers: { location = "" } } = yield* running.ask({
            method: "POST",
            path: "/v2/team/app/blobs/uploads/",
            headers: { "content-length": "0" }
          })
          const connection = yield* running.connect
          yield* connection.write(`PATCH ${location} HTTP/1.1\r\nHost: a\r\nContent-Length: 2048\r\n\r\nhello`)
          yield* running.ask({ path: location })
          connection.socket.destroy()
          yield* Deferred.await(broken)
          const state = yield* Effect.fork(running.ask({ path: location }))
          yield* Effect.fork(Effect.zipRight(running.ask({ path: "/v2/" }), Deferred.succeed(stored, undefined)))
          check(yield* Fiber.join(state), { status: 204, headers: { range: "0-4" } })
          check(yield* running.ask({ path: location }), { status: 204, headers: { range: "0-4" } })
        })
    )

    it.scoped("slows down a client to the pace at which its body is read (T46)", () =>
      Effect.gen(function*() {
        const begun = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const slowly = Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(goOn))
        const running = yield* start(composition, {
          registry: probe.answering({
            PushBlob: ({ body, descriptor }) => Effect.as(Stream.runForEach(body.stream, () => slowly), descriptor)
          })
        })
        const { socket, ...connection } = yield* running.connect
        const size = 64 * 1024 * 1024
        yield* connection.write(
          `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`
        )
        let sent = 0
        for (let left = size; left > 0; left -= probe.piece.byteLength) {
          socket.write(probe.piece, () => {
            sent += probe.piece.byteLength
          })
        }
        yield* Deferred.await(begun)
        expect(yield* probe.still(() => sent)).toBeLessThan(16 * 1024 * 1024)
        yield* Deferred.succeed(goOn, undefined)
        yield* connection.until(/^HTTP\/1\.1 201 /)
        expect(sent).toBe(size)
      }))

    it.scoped("interrupts an operation that has read its body and does not answer", () =>
      Effect.gen(function*() {
        const waiting = yield* probe.endless
        const running = yield* start(composition, {
          registry: probe.answering({
            PushBlob: ({ body }) =>
              waiting.run(Effect.zipRight(Effect.ignore(Body.forEachChunk(body, () => {})), Effect.never))
          })
        })
        const connection = yield* running.connect
        yield* connection.write(
          `POST /v2/team/app/blobs/uploads/?digest=${blobDigest} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`
        )
        yield* waiting.begun
        connection.socket.destroy()
        expect(Exit.isInterrupted(yield* waiting.ended)).toBe(true)
      }))

    it.scoped("serves many downloads at once (T46)", () =>
      Effect.gen(function*() {
        const running = yield* start(composition)
        yield* fill(running.registry)
        const statuses = yield* Effect.forEach(
          Array.from({ length: 300 }, () => blobPath),
          (path) => Effect.map(ask(running.port, { path }), ({ bytes, status }) => `${status} ${bytes.byteLength}`),
          { concurrency: "unbounded" }
        )
        expect(new Set(statuses)).toEqual(new Set(["200 2048"]))
      }))
  })
}
