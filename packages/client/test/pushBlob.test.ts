import { Body, Descriptor, Digest, Registry, RegistryError } from "@effect-oci/core"
import {
  closed,
  connect,
  connectUnsealed,
  platforms,
  routes,
  serve,
  serveRaw,
  until
} from "@effect-oci/testing/NodeScripted"
import type { Answer, Platform, ReceivedRequest } from "@effect-oci/testing/NodeScripted"
import { blob, descriptor, encode, failure, repository, streamed } from "@effect-oci/testing/Samples"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import * as Client from "../src/Client.js"

const { digest } = descriptor
const uploads = "/v2/team/app/blobs/uploads/"
const platformNames = Object.keys(platforms) as Array<Platform>
const query = `digest=${encodeURIComponent(digest)}`

const started: Answer = { status: 202, headers: { location: `${uploads}1` } }

/** A registry that has one upload. */
const keeping = (table?: { readonly [line: string]: Answer }) =>
  routes({
    [`POST ${uploads}`]: started,
    [`PUT ${uploads}1`]: { status: 201 },
    [`DELETE ${uploads}1`]: { status: 204 },
    ...table
  })

const pushed = [`POST ${uploads}`, `PUT ${uploads}1?${query}`]

describe.each(platformNames)("over %s, a body", (platform) => {
  const good: ReadonlyArray<readonly [name: string, body: Body.Body]> = [
    ["in memory", Body.bytes(blob)],
    ["in pieces, of unknown size", streamed("hel", "lo, ", "world")],
    ["in pieces, of known size", Body.stream(Stream.make(encode("hello, "), encode("world")), { size: 12 })],
    ["with empty pieces", streamed("", "hello, ", "", "world", "")]
  ]
  it.scoped.each(good)("%s is sent whole", ([, body]) =>
    Effect.gen(function*() {
      const server = yield* serve(keeping())
      const registry = yield* connect(server, {}, platforms[platform])
      expect(yield* registry.pushBlob(repository, descriptor, body)).toEqual(descriptor)
      expect(server.lines()).toEqual(pushed)
      expect(server.requests[1]?.body.toString()).toBe("hello, world")
      // `fetch` cannot send a `Content-Length` with a stream.
      const length = platform === "fetch" && body.bytes === undefined ? undefined : "12"
      expect(server.requests[1]?.headers["content-length"]).toBe(length)
    }))

  it.scoped("that is empty is sent empty", () =>
    Effect.gen(function*() {
      const empty = Descriptor.fromBytes(new Uint8Array(0))
      const server = yield* serve(keeping())
      const registry = yield* connect(server, {}, platforms[platform])
      yield* registry.pushBlob(repository, empty, Body.stream(Stream.empty))
      yield* registry.pushBlob(repository, empty, Body.empty)
      expect(server.requests.map(({ headers }) => headers["content-length"])).toEqual(["0", "0", "0", "0"])
    }))

  const wrong: ReadonlyArray<{
    readonly name: string
    readonly body: Body.Body
    readonly error: object
    readonly message: string
  }> = [
    {
      name: "with another digest",
      body: streamed("HELLO, ", "WORLD"),
      error: { _tag: "OciDigestInvalid" },
      message: `content does not match its digest, it has ${Digest.fromBytes(encode("HELLO, WORLD"))}`
    },
    {
      name: "that ends early",
      body: streamed("hello, "),
      error: { _tag: "OciSizeInvalid" },
      message: "content ended after 7 of the 12 bytes expected"
    },
    {
      name: "that is too long",
      body: streamed("hello, ", "world", "!"),
      error: { _tag: "OciSizeInvalid" },
      message: "content is longer than the 12 bytes expected"
    },
    {
      name: "that fails",
      body: Body.stream(Stream.concat(Stream.make(encode("hello")), Stream.fail(new Error("disk on fire")))),
      error: { _tag: "OciBodyFailed", cause: new Error("disk on fire") },
      message: "the body to send failed: disk on fire"
    }
  ]
  it.scoped.each(wrong)(
    "$name fails, and its upload is cancelled",
    ({ body, error, message }) =>
      Effect.gen(function*() {
        let committed = false
        const server = yield* serveRaw((request, response) => {
          request.resume()
          if (request.method === "POST") response.writeHead(202, { location: `${uploads}1` }).end()
          else if (request.method === "DELETE") response.writeHead(204).end()
          request.on("end", () => {
            if (request.method !== "PUT") return
            committed = true
            response.writeHead(201).end()
          })
        })
        const registry = yield* connect(server, {}, platforms[platform])
        const failed = yield* Effect.flip(registry.pushBlob(repository, descriptor, body))
        expect(failed).toMatchObject({ ...error, operation: "PushBlob", repository, reference: digest })
        expect(failed.message).toBe(`PushBlob team/app@${digest}: ${message}`)
        // The PUT is sent on another connection, or not at all.
        expect(server.lines()).toContain(`DELETE ${uploads}1`)
        expect(committed).toBe(false)
      })
  )

  it.scoped("that dies makes the push die", () =>
    Effect.gen(function*() {
      const server = yield* serve(keeping())
      const registry = yield* connect(server, {}, platforms[platform])
      const body = Body.stream(Stream.concat(Stream.make(encode("hello")), Stream.die("bug")))
      const exit = yield* Effect.exit(registry.pushBlob(repository, descriptor, body))
      expect(Exit.isFailure(exit) && [...Cause.defects(exit.cause)]).toContain("bug")
    }))

  const refused: ReadonlyArray<readonly [name: string, body: Body.Body, tag: string]> = [
    ["in memory with another digest", Body.bytes(encode("HELLO, WORLD")), "OciDigestInvalid"],
    ["in memory with another size", Body.bytes(encode("hello")), "OciSizeInvalid"],
    ["that announces another size", Body.stream(Stream.empty, { size: 11 }), "OciSizeInvalid"]
  ]
  it.scoped.each(refused)("%s is not sent at all", ([, body, tag]) =>
    Effect.gen(function*() {
      const server = yield* serve(keeping())
      const registry = yield* connect(server, {}, platforms[platform])
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, body))
      expect(error).toMatchObject({ _tag: tag, operation: "PushBlob", repository, reference: digest })
      expect(server.lines()).toEqual([])
    }))

  it.scoped("closes with its connection if the push is interrupted, and the upload is cancelled", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const server = yield* serveRaw((request, response) => {
        response.setHeader("connection", "close")
        if (request.method === "POST") response.writeHead(202, { location: `${uploads}1` }).end()
        else if (request.method === "DELETE") response.writeHead(204).end()
        else request.resume()
      })
      const registry = yield* connect(server, {}, platforms[platform])
      const body = Stream.concat(Stream.make(encode("hello")), Stream.never).pipe(
        Stream.ensuring(Deferred.succeed(ended, undefined))
      )
      const pushing = yield* Effect.fork(registry.pushBlob(repository, descriptor, Body.stream(body)))
      yield* until(() => server.requests.length === 2)
      yield* Fiber.interrupt(pushing)
      expect(server.lines()).toEqual([...pushed, `DELETE ${uploads}1`])
      yield* Deferred.await(ended)
      yield* closed(server)
    }))
})

describe("an upload", () => {
  const looked = `HEAD /v2/team/app/blobs/${digest}`
  const refused = { status: 400, body: failure("DIGEST_INVALID", "no") }
  const failing: ReadonlyArray<readonly [name: string, answer: Answer, tag: string, looked: ReadonlyArray<string>]> = [
    ["that the registry refuses", refused, "OciDigestInvalid", []],
    [
      "whose connection breaks, and whose blob is not found,",
      { raw: (response) => void response.socket?.destroy() },
      "OciTransportError",
      [looked]
    ],
    ["that is answered with a wrong status", { status: 203 }, "OciResponseInvalid", []]
  ]
  it.scoped.each(failing)("%s is cancelled", ([, answer, tag, looked]) =>
    Effect.gen(function*() {
      const server = yield* serve(keeping({ [`PUT ${uploads}1`]: answer }))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob)))
      expect(error).toMatchObject({ _tag: tag, operation: "PushBlob", repository, reference: digest })
      expect(server.lines()).toEqual([...pushed, ...looked, `DELETE ${uploads}1`])
    }))

  /** The answers of Nexus and Amazon ECR. */
  const vague = [200, 202]
  it.scoped.each(vague)(
    "that ends with status %s succeeds if the registry has the blob",
    (status) =>
      Effect.gen(function*() {
        const head = `HEAD /v2/team/app/blobs/${digest}`
        const found: Answer = { status: 200, headers: { "content-length": String(blob.byteLength) } }
        const server = yield* serve(keeping({ [`PUT ${uploads}1`]: { status }, [head]: found }))
        const registry = yield* connect(server)
        expect(yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))).toEqual(descriptor)
        const { id } = yield* registry.startUpload(repository)
        const completed = yield* registry.completeUpload(repository, id, digest, { offset: 0, body: Body.bytes(blob) })
        expect(completed).toEqual(descriptor)
        expect(server.lines()).toEqual([...pushed, head, ...pushed, head])
      })
  )

  it.scoped.each(vague)(
    "that ends with status %s fails if the registry does not have the blob",
    (status) =>
      Effect.gen(function*() {
        const server = yield* serve(keeping({ [`PUT ${uploads}1`]: { status } }))
        const registry = yield* connect(server)
        const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob)))
        expect(error).toMatchObject({
          _tag: "OciResponseInvalid",
          operation: "PushBlob",
          repository,
          reference: digest
        })
        expect(error.message).toContain(`status ${status} instead of 201 or 204`)
        expect(server.lines()).toEqual([...pushed, `HEAD /v2/team/app/blobs/${digest}`, `DELETE ${uploads}1`])
      })
  )

  const lost: ReadonlyArray<readonly [name: string, answer: Answer]> = [
    ["the connection breaks", { raw: (response) => void response.socket?.destroy() }],
    ["a proxy gives up waiting (504)", { status: 504 }]
  ]
  const found = { [looked]: { status: 200, headers: { "content-length": "12" } } }

  it.scoped.each(lost)(
    "succeeds and cancels the session if the blob is found after %s",
    ([, answer]) =>
      Effect.gen(function*() {
        for (const options of [{}, { chunkSize: 6 }]) {
          const server = yield* serve(
            keeping({ [`PUT ${uploads}1`]: answer, [`PATCH ${uploads}1`]: started, ...found })
          )
          const registry = yield* connect(server, options)
          expect(yield* registry.pushBlob(repository, descriptor, streamed("hello, ", "world"))).toEqual(descriptor)
          expect(server.lines().slice(-3)).toEqual([pushed[1], looked, `DELETE ${uploads}1`])
        }
        const single = yield* serve(keeping({ [`POST ${uploads}`]: answer, ...found }))
        const registry = yield* connect(single, { singlePost: true })
        expect(yield* registry.pushBlob(repository, descriptor, streamed("hello, ", "world"))).toEqual(descriptor)
        expect(single.lines()).toEqual([`POST ${uploads}?${query}`, looked])
      })
  )

  it.scoped.each(lost)("completed by the caller succeeds after %s", ([, answer]) =>
    Effect.gen(function*() {
      const server = yield* serve(keeping({ [`PUT ${uploads}1`]: answer, ...found }))
      const registry = yield* connect(server)
      const { id } = yield* registry.startUpload(repository)
      const completed = yield* registry.completeUpload(repository, id, digest, { body: Body.bytes(blob), offset: 0 })
      expect(completed).toMatchObject({ digest, size: 12 })
      expect(server.lines().slice(-2)).toEqual([looked, `DELETE ${uploads}1`])
    }))

  it.scoped("is cancelled if the blob that is found has another size", () =>
    Effect.gen(function*() {
      const server = yield* serve(keeping({
        [`PUT ${uploads}1`]: { status: 504 },
        [looked]: { status: 200, headers: { "content-length": "11" } }
      }))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob)))
      expect(error).toMatchObject({ _tag: "OciUnavailable", status: 504 })
      expect(server.lines()).toEqual([...pushed, looked, `DELETE ${uploads}1`])
    }))

  it.scopedLive.each(platformNames)(
    "may take commitTimeout to commit, which can be longer than idle, over %s",
    (platform) =>
      Effect.gen(function*() {
        const slow = (millis: number): Answer => ({
          raw: (response) => void setTimeout(() => response.writeHead(201).end(), millis)
        })
        const server = yield* serve(keeping({ [`PUT ${uploads}1`]: slow(600) }))
        const registry = yield* connect(server, { idle: "200 millis" }, platforms[platform])
        for (const body of [Body.bytes(blob), streamed("hello, ", "world")]) {
          expect(yield* registry.pushBlob(repository, descriptor, body)).toEqual(descriptor)
        }
        const impatient = yield* connect(
          server,
          { idle: "100 millis", commitTimeout: "200 millis" },
          platforms[platform]
        )
        const error = yield* Effect.flip(impatient.pushBlob(repository, descriptor, Body.bytes(blob)))
        expect(error).toMatchObject({ _tag: "OciTransportError" })
        expect(error.message).toContain("no answer for 200ms")
        expect(server.lines().slice(-2)).toEqual([looked, `DELETE ${uploads}1`])
      })
  )

  it.scoped("that also cannot be cancelled fails with the first error", () =>
    Effect.gen(function*() {
      const server = yield* serve(keeping({
        [`PUT ${uploads}1`]: { status: 403 },
        [`DELETE ${uploads}1`]: { status: 500 }
      }))
      const registry = yield* connect(server)
      expect((yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob))))._tag).toBe("OciDenied")
    }))

  it.scoped("that could not start is not cancelled", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 401, body: failure("UNAUTHORIZED", "who are you?") }))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob)))
      expect(error.message).toBe(`PushBlob team/app@${digest}: who are you?`)
      expect(server.lines()).toEqual([`POST ${uploads}`])
    }))

  it.scoped("at another host is sent there with its body", () =>
    Effect.gen(function*() {
      const storage = yield* serve(() => ({ status: 201 }))
      const server = yield* serve(keeping({
        [`POST ${uploads}`]: { status: 202, headers: { location: `${storage.origin}/bucket?signature=abc` } }
      }))
      const registry = yield* connect(server)
      expect(yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))).toEqual(descriptor)
      expect(storage.lines()).toEqual([`PUT /bucket?signature=abc&${query}`])
      expect(storage.requests[0]?.body.toString()).toBe("hello, world")
    }))

  it.effect("whose location is on http at the registry's host goes to the registry on https", () =>
    Effect.gen(function*() {
      const requests: Array<string> = []
      const client = HttpClient.make((request) => {
        requests.push(`${request.method} ${request.url}`)
        const headers = { location: `http://registry.example.com${uploads}1` }
        const status = request.method === "POST" ? 202 : 201
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status, headers })))
      })
      yield* Effect.flatMap(Registry, (registry) => registry.pushBlob(repository, descriptor, Body.bytes(blob))).pipe(
        Effect.provide(Client.layer({ host: "registry.example.com" })),
        Effect.provideService(HttpClient.HttpClient, client)
      )
      expect(requests).toEqual([
        `POST https://registry.example.com${uploads}`,
        `PUT https://registry.example.com${uploads}1?${query}`
      ])
    }))

  it.effect("on http at another host is refused if the registry is on https", () =>
    Effect.gen(function*() {
      const requests: Array<string> = []
      const client = HttpClient.make((request) => {
        requests.push(`${request.method} ${request.url}`)
        const headers = { location: "http://storage.example.com/upload?state=CANARY" }
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 202, headers })))
      })
      const error = yield* Effect.flatMap(Registry, (registry) =>
        Effect.flip(registry.pushBlob(repository, descriptor, Body.bytes(blob)))).pipe(
          Effect.provide(Client.layer({ host: "registry.example.com" })),
          Effect.provideService(HttpClient.HttpClient, client)
        )
      expect(error).toMatchObject({ _tag: "OciResponseInvalid", operation: "PushBlob" })
      expect(error.message).not.toContain("CANARY")
      expect(requests).toEqual([`POST https://registry.example.com${uploads}`])
    }))
})

describe("singlePost", () => {
  it.scoped.each(platformNames)(
    "pushes a blob in one request if the registry supports it, over %s",
    (platform) =>
      Effect.gen(function*() {
        const server = yield* serve(keeping({ [`POST ${uploads}`]: { status: 201 } }))
        const registry = yield* connect(server, { singlePost: true }, platforms[platform])
        expect(yield* registry.pushBlob(repository, descriptor, streamed("hello, ", "world"))).toEqual(descriptor)
        expect(server.lines()).toEqual([`POST ${uploads}?${query}`])
        expect(server.requests[0]?.body.toString()).toBe("hello, world")
      })
  )

  it.scoped("continues with the upload if the registry opens one", () =>
    Effect.gen(function*() {
      const server = yield* serve(keeping())
      const registry = yield* connect(server, { singlePost: true })
      yield* registry.pushBlob(repository, descriptor, Body.bytes(blob))
      expect(server.lines()).toEqual([`POST ${uploads}?${query}`, `PUT ${uploads}1?${query}`])
      expect(server.requests[1]?.body.toString()).toBe("hello, world")
    }))

  it.scoped("fails and cancels the upload if the body cannot be sent again", () =>
    Effect.gen(function*() {
      const server = yield* serve(keeping())
      const registry = yield* connect(server, { singlePost: true })
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, streamed("hello, ", "world")))
      expect(error).toMatchObject({ _tag: "OciBodyFailed", operation: "PushBlob" })
      expect(server.lines()).toEqual([`POST ${uploads}?${query}`, `DELETE ${uploads}1`])
    }))
})

describe("chunks", () => {
  /** A body whose pieces are in separate chunks of the stream. */
  const apart = (...pieces: ReadonlyArray<string>) => Body.stream(Stream.rechunk(streamed(...pieces).stream, 1))

  /** A registry whose upload gets a new id after each chunk. */
  const counting = (chunkMinLength?: string) => ({ method, target }: ReceivedRequest): Answer => {
    const count = Number(/uploads\/(\d+)/.exec(target)?.[1] ?? 0)
    switch (method) {
      case "POST":
        return {
          status: 202,
          headers: {
            location: `${uploads}1`,
            ...(chunkMinLength === undefined ? {} : { "oci-chunk-min-length": chunkMinLength })
          }
        }
      case "PATCH":
        return { status: 202, headers: { location: `${uploads}${count + 1}`, range: "0-0" } }
      case "PUT":
        return { status: 201 }
      default:
        return { status: 204 }
    }
  }

  const cases: ReadonlyArray<{
    readonly name: string
    readonly chunkSize: number
    readonly chunkMinLength?: string
    readonly chunks: ReadonlyArray<readonly [range: string | undefined, content: string]>
  }> = [
    { name: "have the size of chunkSize", chunkSize: 5, chunks: [["0-4", "hello"], ["5-9", ", wor"], ["10-11", "ld"]] },
    { name: "have equal sizes if they fit", chunkSize: 6, chunks: [["0-5", "hello,"], ["6-11", " world"]] },
    {
      name: "are at least as large as the registry requires",
      chunkSize: 5,
      chunkMinLength: "8",
      chunks: [["0-7", "hello, w"], ["8-11", "orld"]]
    },
    { name: "are not used if chunkSize is at least the size of the blob", chunkSize: 12, chunks: [] },
    { name: "are not used if they must be larger", chunkSize: 5, chunkMinLength: "9007199254740991", chunks: [] }
  ]
  it.scoped.each(cases)("$name", ({ chunkMinLength, chunkSize, chunks }) =>
    Effect.gen(function*() {
      const server = yield* serve(counting(chunkMinLength))
      const registry = yield* connect(server, { chunkSize })
      expect(yield* registry.pushBlob(repository, descriptor, streamed("hel", "lo, wo", "rld"))).toEqual(descriptor)
      const patches = server.requests.filter(({ method }) => method === "PATCH")
      expect(patches.map(({ body, headers }) => [headers["content-range"], body.toString()])).toEqual(chunks)
      expect(server.lines().at(-1)).toBe(`PUT ${uploads}${chunks.length + 1}?${query}`)
      expect(server.requests.at(-1)?.body.toString()).toBe(chunks.length === 0 ? "hello, world" : "")
    }))

  it.scoped("of a blob with another digest are cancelled before the last chunk", () =>
    Effect.gen(function*() {
      const server = yield* serve(counting())
      const registry = yield* connect(server, { chunkSize: 5 })
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, apart("HELLO, ", "WORLD")))
      expect(error).toMatchObject({ _tag: "OciDigestInvalid", operation: "PushBlob" })
      expect(server.lines()).toEqual([`POST ${uploads}`, `PATCH ${uploads}1`, `DELETE ${uploads}2`])
    }))
})

it.scoped("a chunk that is shorter than announced fails", () =>
  Effect.gen(function*() {
    const server = yield* serveRaw((request) => void request.resume())
    const registry = yield* connectUnsealed(server)
    const body = Body.stream(Stream.make(encode("hello")), { size: 6 })
    const error = yield* Effect.flip(registry.appendUpload(repository, `${uploads}1`, body))
    expect(error).toMatchObject({ _tag: "OciSizeInvalid", operation: "AppendUpload" })
    expect(error.message).toBe("AppendUpload team/app: content ended after 5 of the 6 bytes expected")
  }))

it.scoped("an error of the registry that the body comes from is kept unchanged", () =>
  Effect.gen(function*() {
    const server = yield* serveRaw((request, response) => {
      if (request.method === "PUT") request.resume()
      else response.writeHead(202, { location: `${uploads}1` }).end()
    })
    const registry = yield* connect(server)
    const lost = new RegistryError.TransportError({ operation: "GetBlob", registry: "elsewhere.example" })
    const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, Body.stream(Stream.fail(lost))))
    expect(error).toBe(lost)
  }))

describe("memory", () => {
  const MiB = 1024 * 1024
  const piece = Buffer.alloc(256 * 1024, 7)
  const size = 96 * MiB
  const hash = createHash("sha256")
  for (let sent = 0; sent < size; sent += piece.byteLength) hash.update(piece)
  const large = { ...descriptor, digest: Digest.make(`sha256:${hash.digest("hex")}`), size }

  it.scoped.each(platformNames)("stays constant for a blob, over %s", (platform) =>
    Effect.gen(function*() {
      let received = 0
      const server = yield* serveRaw((request, response) => {
        if (request.method === "POST") return response.writeHead(202, { location: `${uploads}1` }).end()
        // Reads more slowly than the client can send.
        request.on("data", (chunk: Buffer) => {
          received += chunk.byteLength
          if (received % 7 === 0) {
            request.pause()
            setImmediate(() => request.resume())
          }
        })
        request.on("end", () => response.writeHead(201).end())
      })
      const registry = yield* connect(server, {}, platforms[platform])
      let produced = 0
      let ahead = 0
      const content = Stream.repeatEffectChunkOption(
        Effect.suspend(() => {
          if (produced === size) return Effect.fail(Option.none())
          produced += piece.byteLength
          ahead = Math.max(ahead, produced - received)
          return Effect.succeed(Chunk.of(piece))
        })
      )
      yield* registry.pushBlob(repository, large, Body.stream(content))
      expect(received).toBe(size)
      expect(ahead).toBeLessThan(16 * MiB)
    }))
})
