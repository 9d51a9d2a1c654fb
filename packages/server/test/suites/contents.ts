import { Body, RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { blob, blobDigest, blobPath, text } from "../fixtures.js"
import { get } from "../http.js"
import type { Connection } from "../http.js"
import * as probe from "../probe.js"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

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
    { level: "WARN", error: "OciTransportError", reason: "wire cut" }
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
    { level: "WARN", error: "OciTransportError", reason: "wire cut" }
  ]
]

export const contents = (composition: Composition) => {
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
        const paused = yield* probe.still(produced)
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
        expect(yield* probe.still(produced)).toBeLessThan(65536 * probe.piece.byteLength)
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
          expect(running.lines).toMatchObject([{ level: "WARN", error: "OciDigestInvalid" }])
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
          error: "OciResponseInvalid",
          reason: expect.stringMatching(/content (is longer|ended after)/) as unknown
        }])
      }))
  })
}
