import { Body, RegistryError } from "@effect-oci/core"
import { connect, routes, serve, until } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import { blob, descriptor, failure, image, repository, streamed, tag } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Logger, LogLevel, Stream, TestClock } from "effect"

const upload = (location: string): Answer => ({ status: 202, headers: { location } })
const uploads = "/v2/team/app/blobs/uploads/"

describe("an upload at another origin", () => {
  /**
   * A registry whose uploads are at another origin, by a `Location` or by a redirect, and the server at that origin.
   */
  const world = (way: "location" | "redirect") =>
    Effect.gen(function*() {
      const other = yield* serve(() => ({ status: 201 }))
      const registry = yield* serve(routes({
        [`POST ${uploads}`]: upload(way === "location" ? `${other.origin}/there` : "/here"),
        "PUT /here": { status: 307, headers: { location: `${other.origin}/there` } }
      }))
      return { other, registry }
    })

  const push = (foreignUploads: boolean | undefined) => (way: "location" | "redirect") =>
    Effect.gen(function*() {
      const { other, registry } = yield* world(way)
      const client = yield* connect(registry, { foreignUploads })
      const pushed = yield* Effect.either(client.pushBlob(repository, descriptor, Body.bytes(blob)))
      return { pushed, other, registry }
    })

  it.scoped.each(["location", "redirect"] as const)("is used by default: by %s", (way) =>
    Effect.gen(function*() {
      const { other, pushed } = yield* push(undefined)(way)
      expect(pushed._tag).toBe("Right")
      expect(other.requests.map(({ body, method }) => [method, body.toString()])).toEqual([["PUT", "hello, world"]])
    }))

  it.scoped.each(["location", "redirect"] as const)(
    "is refused if foreignUploads is false: by %s",
    (way) =>
      Effect.gen(function*() {
        const { other, pushed } = yield* push(false)(way)
        expect(pushed).toMatchObject({ _tag: "Left", left: { _tag: "OciRefused", operation: "PushBlob" } })
        expect(pushed._tag === "Left" && pushed.left.message).toContain(
          `another origin, ${other.origin}: set foreignUploads to allow it`
        )
        expect(other.requests).toEqual([])
      })
  )
})

describe("a registry that fails temporarily", () => {
  const failing = (times: number, answer: Answer) =>
    serve((request, count) =>
      count < times ? answer : request.method === "GET" && request.target.includes("/manifests/")
        ? { status: 200, headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body: image }
        : { status: 404 }
    )

  it.scoped("is sent the request again after its Retry-After", () =>
    Effect.gen(function*() {
      const server = yield* failing(2, {
        status: 429,
        headers: { "retry-after": "3" },
        body: failure("TOOMANYREQUESTS", "")
      })
      const registry = yield* connect(server, { retry: {} })
      const pull = yield* Effect.fork(registry.getManifest(repository, tag))
      yield* until(() => server.requests.length === 1)
      yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => server.requests.length === 3 })
      expect((yield* Fiber.join(pull)).bytes.byteLength).toBe(image.byteLength)
    }))

  it.scoped("fails with the last error if it does not recover", () =>
    Effect.gen(function*() {
      const server = yield* failing(9, { status: 503, body: failure("UNAVAILABLE", "come back later") })
      const registry = yield* connect(server, { retry: { delay: 0 } })
      const pull = yield* Effect.fork(Effect.flip(registry.getManifest(repository, tag)))
      yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => server.requests.length === 4 })
      expect(yield* Fiber.join(pull)).toMatchObject({
        _tag: "OciUnavailable",
        status: 503,
        diagnostics: [{ code: "UNAVAILABLE", message: "come back later" }]
      })
    }))

  it.scoped("is sent a body only once if it cannot be read again", () =>
    Effect.gen(function*() {
      const server = yield* serve(routes({
        [`POST ${uploads}`]: upload(`${uploads}1`),
        [`PUT ${uploads}1`]: { status: 503 },
        [`DELETE ${uploads}1`]: { status: 204 }
      }))
      const registry = yield* connect(server, { retry: { delay: 0 } })
      const error = yield* Effect.flip(registry.pushBlob(repository, descriptor, streamed("hello, ", "world")))
      expect(error).toMatchObject({ _tag: "OciUnavailable" })
      expect(server.requests.filter(({ method }) => method === "PUT").length).toBe(1)
    }))
})

describe("an unexpected status", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: Answer, error: Partial<RegistryError.RegistryError>]> = [
    [
      "402",
      { status: 402, body: failure("PAYMENT", "pay") },
      { _tag: "OciUnknownCode", status: 402, diagnostics: [{ code: "PAYMENT", message: "pay" }] } as never
    ],
    ["418", { status: 418, body: "<html>" }, { _tag: "OciUnknownCode", status: 418, diagnostics: [] }],
    ["501", { status: 501, body: failure("UNSUPPORTED", "no") }, { _tag: "OciUnsupported", status: 501 }],
    ["599", { status: 599 }, { _tag: "OciUnknownCode", status: 599 }],
    ["300", { status: 300 }, { status: 300 }],
    ["204", { status: 204 }, { _tag: "OciResponseInvalid" }],
    ["206", { status: 206, body: "{}" }, { _tag: "OciResponseInvalid" }]
  ]
  it.scoped.each(answers)("%s fails with a RegistryError", ([, answer, error]) =>
    Effect.gen(function*() {
      const registry = yield* connect(yield* serve(() => answer))
      const found = yield* Effect.flip(registry.getManifest(repository, tag))
      expect(RegistryError.isRegistryError(found)).toBe(true)
      expect(found).toMatchObject(error)
    }))

  it.scoped("fails with a RegistryError if the body is endless", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({
        raw: (response) => {
          response.writeHead(500)
          const more = () => {
            while (response.write("x".repeat(65_536)));
          }
          response.on("drain", more).on("error", () => {})
          more()
        }
      }))
      const registry = yield* connect(server)
      expect(yield* Effect.flip(registry.getManifest(repository, tag))).toMatchObject({ status: 500, diagnostics: [] })
      yield* until(() => server.connections.size === 0)
    }))
})

it.scoped("logs each request and each answer at the level Debug", () =>
  Effect.gen(function*() {
    const server = yield* serve(() => ({
      status: 200,
      body: `{"repositories":[]}`,
      headers: { "content-type": "application/json" }
    }))
    const registry = yield* connect(server)
    const messages: Array<string> = []
    const logger = Logger.make(({ message }) => {
      messages.push(String(message))
    })
    yield* Stream.runDrain(registry.listRepositories()).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.Debug)
    )
    const line = `GET ${server.origin}/v2/_catalog?n=1000`
    expect(messages).toEqual([line, `${line}: 200`])
  }))
