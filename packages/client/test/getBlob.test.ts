/** Blobs whose answers are wrong, incomplete or large. */
import { Body, ByteRange, Descriptor, Digest } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { closed, connect, platforms, routes, serve, until } from "@effect-oci/testing/NodeScripted"
import type { Answer, Platform } from "@effect-oci/testing/NodeScripted"
import { blob, descriptor, repository } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const { digest } = descriptor
const platformNames = Object.keys(platforms) as Array<Platform>

const pull = (registry: Registry.Service, range?: ByteRange.ByteRange) =>
  Effect.scoped(Effect.gen(function*() {
    const content = yield* registry.getBlob(repository, digest, { range })
    let received = ""
    yield* Body.forEachChunk(content.body, (chunk) => {
      received += new TextDecoder().decode(chunk)
    })
    return received
  }))

/** Sends a head and a part of the body, and then runs `then`. */
const partly = (
  headers: Record<string, string>,
  body: Uint8Array,
  then: (response: ServerResponse) => void,
  status = 200
): Answer => ({
  raw: (response) => {
    response.writeHead(status, headers)
    if (body.byteLength === 0) response.flushHeaders()
    else response.write(body)
    setTimeout(() => then(response), 5)
  }
})

const breakOff = (response: ServerResponse) => void response.socket?.destroy()
const end = (response: ServerResponse) => void response.end()

const n = blob.byteLength
const lengthy = { "content-length": String(n) }

describe.each(platformNames)("over %s, a blob", (platform) => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly answer: Answer
    readonly tag: string
    readonly message: RegExp
  }> = [
    {
      name: "that is cut off before its first byte",
      answer: partly(lengthy, new Uint8Array(0), breakOff),
      tag: "OciTransportError",
      message: /: the answer ended after 0 of 12 bytes: connection (closed|reset)$/
    },
    {
      name: "that is cut off after its first byte",
      answer: partly(lengthy, blob.subarray(0, 1), breakOff),
      tag: "OciTransportError",
      message: /: the answer ended after 1 of 12 bytes: connection (closed|reset)$/
    },
    {
      name: "that is cut off before its last byte",
      answer: partly(lengthy, blob.subarray(0, n - 1), breakOff),
      tag: "OciTransportError",
      message: /: the answer ended after 11 of 12 bytes: connection (closed|reset)$/
    },
    {
      name: "with other content of the same length",
      answer: { status: 200, body: "HELLO, WORLD" },
      tag: "OciDigestInvalid",
      message: /: content does not match its digest, it has sha256:/
    },
    {
      name: "with content that is too long",
      answer: { status: 200, body: "hello, world!" },
      tag: "OciDigestInvalid",
      message: /: content does not match its digest/
    },
    {
      name: "with content that is too short",
      answer: { status: 200, body: "hello, worl" },
      tag: "OciDigestInvalid",
      message: /: content does not match its digest/
    },
    {
      name: "that was compressed on the way",
      answer: { status: 200, headers: { "content-encoding": "gzip" }, body: "1f8b" },
      tag: "OciResponseInvalid",
      message: /: its body has the Content-Encoding gzip, but the client requested identity/
    }
  ]

  it.scoped.each(cases)("$name fails", ({ answer, message, tag }) =>
    Effect.gen(function*() {
      const server = yield* serve(
        routes({ [`GET /v2/team/app/blobs/${digest}`]: answer, [`HEAD /v2/team/app/blobs/${digest}`]: { status: 200 } })
      )
      const registry = yield* connect(server, {}, platforms[platform])
      const error = yield* Effect.flip(pull(registry))
      expect(error._tag).toBe(tag)
      expect(error.message).toMatch(message)
      expect(error).toMatchObject({ operation: "GetBlob", repository, reference: digest })
    }))

  it.scoped("without a Content-Length gets its size from a HEAD request", () =>
    Effect.gen(function*() {
      const server = yield* serve(routes({
        [`GET /v2/team/app/blobs/${digest}`]: partly({}, blob, end),
        [`HEAD /v2/team/app/blobs/${digest}`]: { status: 200, headers: lengthy }
      }))
      const registry = yield* connect(server, {}, platforms[platform])
      expect(yield* pull(registry)).toBe("hello, world")
      expect(server.lines()).toEqual([
        `GET /v2/team/app/blobs/${digest}`,
        `HEAD /v2/team/app/blobs/${digest}`
      ])
    }))

  it.scoped("without a Content-Length fails if the connection breaks", () =>
    Effect.gen(function*() {
      const server = yield* serve(routes({
        [`GET /v2/team/app/blobs/${digest}`]: partly({}, blob.subarray(0, 7), breakOff),
        [`HEAD /v2/team/app/blobs/${digest}`]: { status: 200, headers: lengthy }
      }))
      const registry = yield* connect(server, {}, platforms[platform])
      expect((yield* Effect.flip(pull(registry)))._tag).toBe("OciTransportError")
    }))

  it.scoped("that is empty is received as empty", () =>
    Effect.gen(function*() {
      const empty = Descriptor.fromBytes(new Uint8Array(0))
      const server = yield* serve(() => ({ status: 200, body: "" }))
      const registry = yield* connect(server, {}, platforms[platform])
      const pulled = yield* Effect.scoped(
        Effect.flatMap(registry.getBlob(repository, empty.digest), ({ stream }) => Stream.runCollect(stream))
      )
      expect([...pulled]).toEqual([])
    }))

  it.scoped("can be read only once", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 200, body: blob }))
      const registry = yield* connect(server, {}, platforms[platform])
      const content = yield* registry.getBlob(repository, digest)
      yield* Stream.runDrain(content.stream)
      const error = yield* Effect.flip(Stream.runDrain(content.stream))
      expect(error._tag).toBe("OciTransportError")
    }))

  describe("while it is received", () => {
    const size = 32 * 1024 * 1024
    /** More bytes than the buffers of the sockets can hold. */
    const flowing: Answer = {
      raw: (response) => {
        response.writeHead(200, { "content-length": String(size) })
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(64 * 1024))) { /* as much as fits */ }
        }
        response.on("drain", more)
        more()
      }
    }

    it.scoped("closes its connection if the reader is interrupted", () =>
      Effect.gen(function*() {
        const server = yield* serve(() => flowing)
        const registry = yield* connect(server, {}, platforms[platform])
        const begun = yield* Deferred.make<void>()
        const reading = yield* Effect.fork(Effect.scoped(
          Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) =>
            Stream.runForEach(stream, () =>
              Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
        ))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(reading)
        yield* closed(server)
      }))

    it.scoped("closes its connection if the reader stops early", () =>
      Effect.gen(function*() {
        const server = yield* serve(() => flowing)
        const registry = yield* connect(server, {}, platforms[platform])
        yield* Effect.scoped(
          Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) => Stream.runDrain(Stream.take(stream, 1)))
        )
        yield* closed(server)
      }))

    it.scoped("closes its connection with the scope if it is not read", () =>
      Effect.gen(function*() {
        const server = yield* serve(() => flowing)
        const registry = yield* connect(server, {}, platforms[platform])
        yield* Effect.scoped(registry.getBlob(repository, digest))
        yield* closed(server)
      }))

    it.scoped("fails after its scope is closed, whether it was being read or not", () =>
      Effect.gen(function*() {
        const server = yield* serve(() => flowing)
        const registry = yield* connect(server, {}, platforms[platform])
        const scope = yield* Scope.make()
        const content = yield* Scope.extend(registry.getBlob(repository, digest), scope)
        const begun = yield* Deferred.make<void>()
        const reading = yield* Effect.fork(
          Stream.runForEach(content.stream, () => Deferred.succeed(begun, undefined))
        )
        yield* Deferred.await(begun)
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.flip(Fiber.join(reading))
        expect(error._tag).toBe("OciTransportError")
        expect((yield* Effect.flip(Stream.runDrain(content.stream)))._tag).toBe("OciTransportError")
        yield* closed(server)
      }))

    it.scopedLive("does not time out while the reader is slow", () =>
      Effect.gen(function*() {
        const server = yield* serve(() => flowing)
        const registry = yield* connect(server, { idle: "50 millis" }, platforms[platform])
        const content = yield* registry.getBlob(repository, digest)
        let read = 0
        const slowly = Stream.runForEachChunk(Stream.take(content.stream, 40), (chunk) => {
          for (const piece of chunk) read += piece.byteLength
          return Effect.delay(Effect.void, read < 2_000_000 ? "150 millis" : 0)
        })
        yield* slowly
        expect(read).toBeGreaterThan(1_000_000)
      }))
  })
})

describe("a range", () => {
  const requestedRange = ByteRange.slice(7, 3)
  const cases: ReadonlyArray<{
    readonly name: string
    readonly range?: ByteRange.ByteRange
    readonly answer: Answer
    readonly content?: string
    readonly error?: object
  }> = [
    {
      name: "returns the range that the registry sends",
      answer: { status: 206, headers: { "content-range": "bytes 7-9/12" }, body: "wor" },
      content: "wor"
    },
    { name: "is cut out of a whole blob", answer: { status: 200, body: blob }, content: "wor" },
    {
      name: "from the end is cut out of the blob if the registry sends the whole blob",
      range: ByteRange.last(5),
      answer: { status: 200, body: blob },
      content: "world"
    },
    {
      name: "fails if the registry sends another range",
      answer: { status: 206, headers: { "content-range": "bytes 6-8/12" }, body: " wo" },
      error: { _tag: "OciResponseInvalid" }
    },
    {
      name: "fails if the answer has no Content-Range",
      answer: { status: 206, body: "wor" },
      error: { _tag: "OciResponseInvalid" }
    },
    {
      name: "fails if the body is longer than its Content-Range",
      answer: { status: 206, headers: { "content-range": "bytes 7-9/12" }, body: "worl" },
      error: { _tag: "OciResponseInvalid" }
    },
    {
      name: "fails if the connection breaks",
      answer: partly({ "content-range": "bytes 7-9/12", "content-length": "3" }, blob.subarray(7, 8), breakOff, 206),
      error: { _tag: "OciTransportError" }
    },
    {
      name: "fails if it ends early and has no Content-Length",
      answer: partly({ "content-range": "bytes 7-9/12" }, blob.subarray(7, 8), end, 206),
      error: { _tag: "OciSizeInvalid" }
    },
    {
      name: "fails if the registry sends the whole blob and breaks off",
      answer: partly(lengthy, blob.subarray(0, 8), breakOff),
      error: { _tag: "OciTransportError" }
    },
    {
      name: "fails with RangeInvalid if it is outside the blob",
      answer: { status: 416, headers: { "content-range": "bytes */12" } },
      error: { _tag: "OciRangeInvalid", size: 12 }
    },
    {
      name: "fails with RangeInvalid if it is outside the blob and the registry sends the whole blob",
      range: ByteRange.from(12),
      answer: { status: 200, body: blob },
      error: { _tag: "OciRangeInvalid", size: 12 }
    }
  ]

  it.scoped.each(cases)("$name", ({ answer, content, error, range = requestedRange }) =>
    Effect.gen(function*() {
      const server = yield* serve(() => answer)
      const registry = yield* connect(server)
      const pulled = yield* Effect.either(pull(registry, range))
      expect(pulled).toMatchObject(content === undefined ? { _tag: "Left", left: error } : { right: content })
      yield* until(() => server.requests.length === 1)
    }))
})

describe("memory", () => {
  const MiB = 1024 * 1024

  setFlagsFromString("--expose-gc")
  const collectGarbage = runInNewContext("gc") as () => void
  /**
   * The bytes in buffers that are still in use. V8 frees collected buffers only at the next collection, so this
   * collects twice.
   */
  const heldBytes = () => {
    collectGarbage()
    collectGarbage()
    return process.memoryUsage().arrayBuffers
  }

  const piece = Buffer.alloc(256 * 1024, 7)
  const size = 160 * MiB
  const hash = createHash("sha256")
  for (let sent = 0; sent < size; sent += piece.byteLength) hash.update(piece)
  const large = { ...descriptor, digest: Digest.make(`sha256:${hash.digest("hex")}`), size }

  it.scoped.each(platformNames)("stays constant for a blob, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => {
          response.writeHead(200, { "content-length": String(size) })
          let sent = 0
          const more = () => {
            while (sent < size && !response.destroyed) {
              sent += piece.byteLength
              if (!response.write(piece)) return
            }
            response.end()
          }
          response.on("drain", more)
          more()
        }
      }))
      const registry = yield* connect(server, {}, platforms[platform])
      const before = heldBytes()
      let most = before
      let received = 0
      yield* Effect.scoped(
        Effect.flatMap(registry.getBlob(repository, large.digest), ({ stream }) =>
          Stream.runForEachChunk(stream, (chunk) =>
            Effect.sync(() => {
              const measured = Math.floor(received / (16 * MiB))
              for (const { byteLength } of chunk) {
                received += byteLength
              }
              if (Math.floor(received / (16 * MiB)) > measured) {
                most = Math.max(most, heldBytes())
              }
            })))
      )
      expect(received).toBe(size)
      expect(most - before).toBeLessThan(32 * MiB)
    }))
})
