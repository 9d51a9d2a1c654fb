import { Answer, Body, Digest, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Stream } from "effect"
import { blob, blobDigest, fill, image, text } from "../fixtures.js"
import { ask } from "../http.js"
import type { Connection } from "../http.js"
import * as probe from "../probe.js"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

const blobPath = `/v2/team/app/blobs/${blobDigest}`
const get = (path: string, ...headers: ReadonlyArray<string>) =>
  `${[`GET ${path} HTTP/1.1`, "Host: a", ...headers].join("\r\n")}\r\n\r\n`

/** Waits until a number has not grown for a while. */
const still = (count: () => number): Effect.Effect<number> => {
  let last = -1
  let turns = 0
  return Effect.as(
    probe.until(() => {
      turns = count() === last ? turns + 1 : 0
      last = count()
      return turns > 2000
    }),
    0
  ).pipe(Effect.map(count))
}

/** Returns the number of received bytes of a body, without the headers. */
const received = (connection: Connection) => {
  const text = connection.text()
  const at = text.indexOf("\r\n\r\n")
  return at < 0 ? 0 : text.length - at - 4
}

const half = blob.subarray(0, 1024)
const rest = blob.subarray(1024)
const flipped = new Uint8Array(rest).fill(0xff, 1023)

/** The content as bytes, as a stream and as a native source. */
const bodies = (
  ...pieces: ReadonlyArray<Uint8Array>
): ReadonlyArray<readonly [name: string, body: () => Body.Body]> => {
  const size = pieces.reduce((size, { byteLength }) => size + byteLength, 0)
  return [
    ["bytes", () => Body.bytes(Buffer.concat(pieces))],
    ["a stream", () => Body.stream(Stream.fromIterable(pieces), { size })],
    [
      "a source",
      () =>
        Body.fromSource((sink) => {
          let over = false
          const flow = () => {
            for (const piece of pieces) if (!over) sink.data(piece)
            if (!over) sink.end()
          }
          queueMicrotask(flow)
          return {
            resume: () => {},
            cancel: () => {
              over = true
            }
          }
        }, { size })
    ]
  ]
}

/** Content that fails after the first half. */
const breaking: ReadonlyArray<readonly [name: string, body: () => Body.Body, logged: object]> = [
  [
    "a stream that fails",
    () =>
      Body.stream(
        Stream.concat(Stream.make(half), Stream.fail(new RegistryError.TransportError({ reason: "wire cut" }))),
        {
          size: 2048
        }
      ),
    { level: "WARN", error: "TransportError", reason: "wire cut" }
  ],
  [
    "a stream that dies",
    () => Body.stream(Stream.concat(Stream.make(half), Stream.die(new Error("a bug"))), { size: 2048 }),
    { level: "ERROR", cause: expect.stringContaining("a bug") as unknown }
  ],
  [
    "a source that fails",
    () =>
      Body.fromSource((sink) => {
        queueMicrotask(() => {
          sink.data(half)
          sink.fail(new RegistryError.TransportError({ reason: "wire cut" }))
        })
        return { resume: () => {}, cancel: () => {} }
      }, { size: 2048 }),
    { level: "WARN", error: "TransportError", reason: "wire cut" }
  ]
]

export const flow = (composition: Composition) => {
  /** Starts a server whose only blob is this content. */
  const serving = (content: probe.Content) =>
    Effect.gen(function*() {
      const seen = probe.nothingSeen()
      const running = yield* start(composition, { registry: probe.holding(seen, content) })
      const closed = Effect.zipRight(
        probe.until(() => seen.closed.length === seen.opened),
        Effect.sync(() => seen.closed)
      )
      return { ...running, seen, closed }
    })

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
        expect(yield* still(() => sent)).toBeLessThan(16 * 1024 * 1024)
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
  })

  describe("contents", () => {
    it.scoped.each(bodies(half, rest))("sends all of %s, and then closes it", ([, body]) =>
      Effect.gen(function*() {
        const running = yield* serving(probe.content(body()))
        check(yield* running.ask({ path: blobPath }), {
          status: 200,
          body: blob,
          headers: { "content-length": "2048" }
        })
        expect((yield* running.closed).map(Exit.isSuccess)).toEqual([true])
      }))

    it.scoped("opens no content for HEAD (T47)", () =>
      Effect.gen(function*() {
        const running = yield* serving(probe.content(Body.bytes(blob)))
        check(yield* running.ask({ method: "HEAD", path: blobPath }), { status: 200, body: "" })
        expect(running.seen).toEqual({ opened: 0, closed: [] })
      }))

    it.scoped.each(
      [
        ["fails", Effect.fail(new RegistryError.BlobUnknown({})), 404],
        ["dies", Effect.die(new Error("a bug")), 500],
        ["interrupts itself", Effect.interrupt, 503]
      ] as const
    )("closes the content of an operation that then %s", ([, end, status]) =>
      Effect.gen(function*() {
        const seen = probe.nothingSeen()
        const running = yield* start(composition, {
          registry: probe.answering({
            GetBlob: () =>
              Effect.zipRight(
                Effect.acquireRelease(
                  Effect.sync(() => {
                    seen.opened += 1
                  }),
                  (_, exit) => Effect.sync(() => void seen.closed.push(exit))
                ),
                end
              )
          })
        })
        expect((yield* running.ask({ path: blobPath })).status).toBe(status)
        expect(seen.closed.map(Exit.isFailure)).toEqual([true])
      }))

    it.scoped.each(
      [
        ["a stream", probe.generatedStream],
        ["a source", probe.generatedSource]
      ] as const
    )("pauses %s of 256 MiB for a slow client, and resumes it (T46)", ([, generated]) =>
      Effect.gen(function*() {
        const pieces = 4096
        const { body, produced } = generated(pieces)
        const running = yield* serving(probe.content(body))
        const connection = yield* running.connect
        let bytes = 0
        connection.socket.removeAllListeners("data")
        connection.socket.on("data", (chunk) => {
          bytes += chunk.byteLength
        })
        connection.socket.pause()
        yield* connection.write(get(blobPath, "Connection: close"))
        const paused = yield* still(produced)
        expect(paused).toBeGreaterThan(0)
        expect(paused).toBeLessThan(16 * 1024 * 1024)
        connection.socket.resume()
        yield* connection.closed
        expect(bytes).toBeGreaterThan(pieces * probe.piece.byteLength)
        expect(bytes).toBeLessThan(pieces * probe.piece.byteLength + 1024)
        expect((yield* running.closed).map(Exit.isSuccess)).toEqual([true])
      }))

    it.scoped.each(
      [
        ["a stream", probe.generatedStream],
        ["a source", probe.generatedSource]
      ] as const
    )("closes %s when the client disconnects (T47)", ([, generated]) =>
      Effect.gen(function*() {
        const { body, produced } = generated(65536)
        const running = yield* serving(probe.content(body))
        const idle = running.fibers()
        for (const _ of [1, 2, 3]) {
          const connection = yield* running.connect
          yield* connection.write(get(blobPath))
          yield* connection.until(/^HTTP\/1\.1 200 /)
          connection.socket.destroy()
        }
        const closed = yield* running.closed
        expect(closed).toHaveLength(3)
        expect(closed.map(Exit.isFailure)).toEqual([true, true, true])
        expect(yield* still(produced)).toBeLessThan(65536 * probe.piece.byteLength)
        expect(running.fibers()).toBe(idle)
        expect(running.lines.filter(({ level }) => level !== "DEBUG")).toEqual([])
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped.each(breaking)("%s in the middle closes the connection", ([, body, logged]) =>
      Effect.gen(function*() {
        const running = yield* serving(probe.content(body()))
        const connection = yield* running.connect
        yield* connection.write(get(blobPath) + get("/v2/"))
        yield* connection.closed
        expect(received(connection)).toBeLessThanOrEqual(1024)
        expect(connection.text().match(/HTTP\/1\.1/g) ?? []).toHaveLength(connection.text() === "" ? 0 : 1)
        expect((yield* running.closed).map(Exit.isFailure)).toEqual([true])
        yield* probe.until(() => running.lines.length > 0)
        const lines = running.lines.filter(({ message }) => message === "content broke off")
        expect(lines).toMatchObject([{ repository: "team/app", reference: blobDigest, ...logged }])
        expect((yield* Effect.either(running.ask({ path: blobPath })))._tag).toBe("Left")
      }))

    it.scoped.each(bodies(half, flipped))(
      "an evil upstream's %s is not sent whole: the last byte is held back",
      ([, body]) =>
        Effect.gen(function*() {
          const running = yield* serving(probe.content(body(), { verified: false }))
          const connection = yield* running.connect
          yield* connection.write(get(blobPath))
          const text = yield* connection.closed
          expect(text === "" || /^HTTP\/1\.1 200 [^]*content-length: 2048/.test(text)).toBe(true)
          expect(received(connection)).toBeLessThan(2048)
          yield* probe.until(() => running.lines.some(({ message }) => message === "content broke off"))
          expect(running.lines).toMatchObject([{ level: "WARN", error: "DigestInvalid" }])
        })
    )

    it.scoped.each(bodies(half, rest))(
      "an honest upstream's %s is checked and sent whole",
      ([, body]) =>
        Effect.gen(function*() {
          const running = yield* serving(probe.content(body(), { verified: false }))
          check(yield* running.ask({ path: blobPath }), { status: 200, body: blob })
        })
    )

    const evil = text("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    it.scoped.each(
      [
        ...bodies(blob, evil).map(([name, body]) => [`${name} that is longer than said`, body, 2048] as const),
        ...bodies(half).map(([name, body]) => [`${name} that is shorter than said`, body, 2048] as const)
      ].flatMap(([name, body, size]) => [
        [name, body, { size }] as const,
        [`a part: ${name}`, body, { size: 4096, range: { offset: 0, length: size } }] as const
      ])
    )("%s cannot reach into the next answer (T52)", ([, body, options]) =>
      Effect.gen(function*() {
        const running = yield* serving(probe.content(body(), options))
        const connection = yield* running.connect
        yield* connection.write(get(blobPath) + get("/v2/"))
        const text = yield* connection.closed
        expect(text).not.toContain("evil")
        expect(text.match(/HTTP\/1\.1/g) ?? []).toHaveLength(text === "" ? 0 : 1)
        expect((yield* running.closed).map(Exit.isFailure)).toEqual([true])
        expect(running.lines).toMatchObject([{
          error: "ResponseInvalid",
          reason: expect.stringMatching(/content (is longer|ended after)/) as unknown
        }])
      }))
  })

  describe("defects", () => {
    const canary = "CANARY-secret"
    const bug = () => {
      throw new Error(canary)
    }
    const descriptor = { mediaType: "a/b", digest: Digest.fromBytes(image), size: 1 }
    const atHand = (operation: Operation.Operation) => {
      const blobLonger = probe.content(Body.bytes(blob), { size: 4096, range: { offset: 0, length: 9 } })
      switch (operation._tag) {
        case "GetManifest":
          return Answer.succeed({ descriptor, bytes: image } as never)
        case "GetBlob":
          return Answer.succeed(blobLonger(operation) as never)
        default:
          return Answer.succeed(undefined as never)
      }
    }
    const manifest = (mediaType: string) => ({ mediaType, digest: Digest.fromBytes(image), size: image.byteLength })

    it.scoped.each(
      [
        ["a handler that dies", () => Effect.die(new Error(canary)), true],
        ["a handler that dies later", () => Effect.zipRight(Effect.yieldNow(), Effect.die(new Error(canary))), true],
        ["a handler that throws", bug, true],
        ["a handler that throws in an effect", () => Effect.suspend((): Effect.Effect<never> => bug()), true],
        // @effect-diagnostics-next-line effectSucceedWithVoid:off
        ["a handler that returns undefined", () => Effect.succeed(undefined as never), true],
        ["a blob and a manifest in memory that are longer than declared", atHand, true],
        ["a handler that returns undefined later", () => Effect.as(Effect.yieldNow(), undefined as never), true],
        [
          "a type that ends a header",
          () => Effect.succeed(manifest("a/b\r\nset-cookie: evil")),
          composition.ownsSockets
        ],
        ["a type that no header can have", () => Effect.succeed(manifest("a/\u0100")), composition.ownsSockets]
      ] as const
    )("%s: sends 500, and writes one line to the log", ([, row, json]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({
            GetManifest: row as never,
            ResolveManifest: row,
            GetBlob: row as never,
            ListTags: row as never
          })
        })
        const internal = { errors: [{ code: "UNKNOWN", message: "internal error" }] }
        const path = "/v2/team/app/manifests/v1"
        const head = yield* running.ask({ method: "HEAD", path })
        expect(head.status).toBe(500)
        expect(JSON.stringify(head.headers)).not.toContain("evil")
        if (json) {
          yield* probe.until(() => running.lines.length > 0)
          expect(running.lines).toHaveLength(1)
          expect(running.lines[0]).toMatchObject({ level: "ERROR", message: "request died", method: "HEAD", path })
          for (const path of ["/v2/team/app/manifests/v1", blobPath, "/v2/team/app/tags/list"]) {
            const answer = yield* running.ask({ path })
            if (answer.status === 500) check(answer, { status: 500, body: internal })
            expect(answer.text).not.toContain(canary)
          }
        }
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped("writes the cause of a defect to the log", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({ GetManifest: () => Effect.die(new Error(canary)) })
        })
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 500, code: "UNKNOWN" })
        expect(running.lines[0]?.cause).toContain(canary)
      }))

    it.scoped("survives an invalid status", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({
            GetManifest: () => Effect.fail(new RegistryError.UnknownCode({ code: "ODD", status: 1000 }))
          })
        })
        expect((yield* running.ask({ path: "/v2/team/app/manifests/v1" })).status).toBe(500)
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped("answers 503 if the operation interrupts itself", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({ GetManifest: () => Effect.zipRight(Effect.yieldNow(), Effect.interrupt) })
        })
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 503, code: "UNAVAILABLE" })
        expect(running.lines).toEqual([])
      }))
  })

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
}
