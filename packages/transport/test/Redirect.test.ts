import type { RegistryError } from "@effect-oci/core"
import { connect, platforms, serve, serveRaw, until } from "@effect-oci/testing/NodeScripted"
import type { Answer, Platform } from "@effect-oci/testing/NodeScripted"
import { encode } from "@effect-oci/testing/Samples"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Stream, TestClock } from "effect"
import * as Redirect from "../src/Redirect.js"
import * as Transport from "../src/Transport.js"

/** `NodeHttp` does not connect to the loopback address of the test's registries without a client that allows it. */
const platformNames = (Object.keys(platforms) as Array<Platform>).filter((name) => name !== "NodeHttp")

const client = (platform: Platform, options?: { readonly maxRedirects?: number }) =>
  Effect.map(
    Layer.build(platforms[platform]),
    (context) => Redirect.make(options)(Context.get(context, HttpClient.HttpClient))
  )

const secrets = {
  authorization: "Bearer CANARY",
  "proxy-authorization": "Basic CANARY",
  cookie: "session=CANARY",
  "x-registry-auth": "CANARY"
}

const to = (location: string, status = 307): Answer => ({ status, headers: { location }, body: "over there" })

const ok: Answer = { status: 200, body: "here" }

const methods = ["GET", "HEAD", "PUT", "POST", "DELETE"] as const

/** Every status and method, to the same origin and to another. */
const matrix = [301, 302, 303, 307, 308].flatMap((status) =>
  methods.flatMap((method) =>
    ["the same origin", "another port"].map((where) => ({
      name: `${status} of ${method} to ${where}`,
      status,
      method,
      where,
      followedBy: status !== 303 ? method : method === "HEAD" ? "HEAD" : "GET"
    }))
  )
)

describe.each(platformNames)("over %s", (platform) => {
  it.scoped.each(matrix)("$name", ({ followedBy, method, status, where }) =>
    Effect.gen(function*() {
      const target = yield* serve(() => ok)
      const server = yield* serve(({ target: path }) =>
        path === "/there" ? ok : to(where === "the same origin" ? "/there" : `${target.origin}/there`, status)
      )
      const http = yield* client(platform)
      const bodily = method === "PUT" || method === "POST"
      const request = HttpClientRequest.make(method as "PUT")(`${server.origin}/here?a=b%20c`, {
        headers: { ...secrets, accept: "text/plain", range: "bytes=0-9" },
        ...(bodily ? { body: HttpBody.uint8Array(encode("content")) } : {})
      })
      const response = yield* http.execute(request)
      expect(response.status).toBe(200)
      const received = where === "the same origin" ? server.requests[1] : target.requests[0]
      expect(received?.method).toBe(followedBy)
      expect(received?.target).toBe("/there")
      expect(received?.body.toString()).toBe(bodily && followedBy === method ? "content" : "")
      expect(received?.headers).toMatchObject({ accept: "text/plain", range: "bytes=0-9" })
      const kept = Object.keys(secrets).filter((name) => received?.headers[name] !== undefined)
      expect(kept).toEqual(where === "the same origin" ? Object.keys(secrets) : [])
      if (followedBy !== method) expect(received?.headers["content-type"]).toBeUndefined()
      expect(response.request.url).toBe(
        where === "the same origin" ? `${server.origin}/there` : `${target.origin}/there`
      )
    }))

  it.scoped("secrets are not sent again after a redirect back to the first origin", () =>
    Effect.gen(function*() {
      let back = ""
      const middle = yield* serve(() => to(back))
      const home = yield* serve(({ target }) => target === "/end" ? ok : to(`${middle.origin}/middle`))
      back = `${home.origin}/end`
      const http = yield* client(platform)
      yield* http.get(`${home.origin}/start`, { headers: secrets })
      expect(home.lines()).toEqual(["GET /start", "GET /end"])
      expect(home.requests[0]?.headers).toMatchObject(secrets)
      for (const { headers } of [...middle.requests, home.requests[1]!]) {
        expect(JSON.stringify(headers)).not.toContain("CANARY")
      }
    }))

  it.scoped("at most ten redirects are followed", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => count < 10 ? to(`/${count + 1}`) : ok)
      const http = yield* client(platform)
      expect((yield* http.get(`${server.origin}/0`)).status).toBe(200)
      const endless = yield* serve((_, count) => to(`/${count + 1}`))
      const error = yield* Effect.flip(http.get(`${endless.origin}/0`))
      expect(error.cause).toMatchObject({
        _tag: "OciResponseInvalid",
        reason: "the registry's answer breaks the protocol: it redirects more than 10 times"
      })
      expect(endless.requests.length).toBe(11)
    }))

  it.scoped("the connections of redirects are reused or closed", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) =>
        count === 0
          ? { status: 307, headers: { location: "/1" }, body: Buffer.alloc(1024 * 1024) }
          : count === 1
          ? to("/2")
          : ok
      )
      const http = yield* client(platform)
      const response = yield* http.get(`${server.origin}/0`)
      expect(yield* response.text).toBe("here")
      yield* until(() => server.connections.size <= 1)
    }))
})

describe("a location", () => {
  const cases: ReadonlyArray<readonly [name: string, location: string, target: string]> = [
    ["relative to the path", "there?c=d", "/a/there?c=d"],
    ["with a query only", "?c=d", "/a/here?c=d"],
    [
      "with a signature, unchanged",
      "/there?X-Sig=a%2Fb+c~d%20e&X-Sig2=(1)",
      "/there?X-Sig=a%2Fb+c~d%20e&X-Sig2=(1)"
    ],
    ["with a fragment", "/there#part", "/there"],
    ["with a name and a password", "//user:secret@HOST/there", "/there"]
  ]
  it.scoped.each(cases)("%s", ([, location, target]) =>
    Effect.gen(function*() {
      const server = yield* serve(({ headers }, count) =>
        count === 0 ? to(location.replace("HOST", headers.host ?? "")) : ok
      )
      const http = yield* client("node")
      expect((yield* http.get(`${server.origin}/a/here?a=b`)).status).toBe(200)
      expect(server.requests[1]?.target).toBe(target)
      expect(server.requests[1]?.headers.authorization).toBeUndefined()
    }))

  it.scoped("that is missing leaves the answer as it is", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => ({ status: 302 }))
      const http = yield* client("undici")
      expect((yield* http.get(server.origin)).status).toBe(302)
    }))

  it.scoped("with another status leaves the answer as it is", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ target }) => ({
        status: Number(target.slice(1)),
        headers: { location: "/there" }
      }))
      const http = yield* client("undici")
      for (const status of [201, 300, 304, 305]) {
        expect((yield* http.get(`${server.origin}/${status}`)).status).toBe(status)
      }
      expect(server.requests.length).toBe(4)
    }))
})

/** A client without a network, which records the requests. */
const scripted = (answer: (url: string) => Response) => {
  const requests: Array<string> = []
  const http = HttpClient.make((request) => {
    requests.push(`${request.method} ${request.url}`)
    return Effect.succeed(HttpClientResponse.fromWeb(request, answer(request.url)))
  })
  return { requests, http }
}

const redirectTo = (location: string) => new Response(null, { status: 307, headers: { location } })

describe("a redirect that is refused", () => {
  const cases: ReadonlyArray<readonly [name: string, location: string, reason: string]> = [
    ["from https to http", "http://registry.example/there", "it redirects from https to http"],
    ["to a file", "file:///etc/passwd", "it redirects to a URL that is not http or https"],
    ["to a script", "javascript:alert(1)", "it redirects to a URL that is not http or https"],
    ["to an invalid URL", "https://[", "it redirects to an invalid URL"]
  ]
  it.effect.each(cases)("%s", ([, location, reason]) =>
    Effect.gen(function*() {
      const { requests, http } = scripted(() => redirectTo(location))
      const error = yield* Effect.flip(Redirect.make()(http).get("https://registry.example/here"))
      expect(error).toBeInstanceOf(HttpClientError.RequestError)
      expect(error.cause).toMatchObject({ _tag: "OciResponseInvalid" })
      expect((error.cause as RegistryError.RegistryError).reason).toContain(reason)
      expect(requests).toEqual(["GET https://registry.example/here"])
    }))

  it.effect("from http to https is followed, without secrets", () =>
    Effect.gen(function*() {
      const { requests, http } = scripted((url) =>
        url.startsWith("https") ? new Response("here") : redirectTo("https://registry.example/there")
      )
      const response = yield* Redirect.make()(http).get("http://registry.example/here", { headers: secrets })
      expect(requests).toEqual(["GET http://registry.example/here", "GET https://registry.example/there"])
      expect(response.request.headers.authorization).toBeUndefined()
    }))
})

describe("a body", () => {
  const body = (replayable: boolean) => {
    const stream = HttpBody.stream(Stream.make(encode("con"), encode("tent")), "text/plain", 7)
    return replayable ? Transport.markReplayable(stream) : stream
  }

  it.scoped.each(platformNames)("is sent again if it can be, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => count === 0 ? to("/there") : ok)
      const http = yield* client(platform)
      yield* http.put(`${server.origin}/here`, { body: body(true) })
      expect(server.requests.map(({ body }) => body.toString())).toEqual(["content", "content"])
    }))

  it.scoped.each(platformNames)("is not sent again if it cannot be, over %s", (platform) =>
    Effect.gen(function*() {
      const server = yield* serve(() => to("/there"))
      const http = yield* client(platform)
      const error = yield* Effect.flip(http.put(`${server.origin}/here`, { body: body(false) }))
      expect(error.cause).toMatchObject({
        _tag: "OciBodyFailed",
        reason: "the registry redirects the request, and its body cannot be sent again: use a replayable body"
      })
      expect(server.requests.length).toBe(1)
    }))

  it.scoped("is not needed after a 303", () =>
    Effect.gen(function*() {
      const server = yield* serve((_, count) => count === 0 ? to("/there", 303) : ok)
      const http = yield* client("undici")
      yield* http.put(`${server.origin}/here`, { body: body(false) })
      expect(server.lines()).toEqual(["PUT /here", "GET /there"])
    }))
})

it.scoped("headers that an HTTP client adds to every request are sent to no other origin", () =>
  Effect.gen(function*() {
    const other = yield* serve(() => ok)
    const server = yield* serve(() => to(`${other.origin}/there`))
    const platform = Context.get(yield* Layer.build(platforms.undici), HttpClient.HttpClient)
    const adding = HttpClient.mapRequest(platform, HttpClientRequest.bearerToken("CANARY"))
    yield* Redirect.make()(adding).get(`${server.origin}/here`)
    expect(server.requests[0]?.headers.authorization).toBe("Bearer CANARY")
    expect(other.requests[0]?.headers.authorization).toBeUndefined()
  }))

describe("fetch", () => {
  it.scoped("keeps the settings of the caller's context", () =>
    Effect.gen(function*() {
      const settings: Array<RequestInit | undefined> = []
      const fetching: typeof fetch = (_, init) => {
        settings.push(init)
        return Promise.resolve(new Response("here"))
      }
      const http = yield* client("fetch")
      yield* http.get("https://registry.example/").pipe(
        Effect.provideService(FetchHttpClient.RequestInit, { credentials: "include" }),
        Effect.provideService(FetchHttpClient.Fetch, fetching)
      )
      expect(settings).toMatchObject([{ credentials: "include", redirect: "manual" }])
    }))

  it.scoped("follows redirects itself in a browser, which does not show them", () =>
    Effect.gen(function*() {
      const modes: Array<string | undefined> = []
      const browser: typeof fetch = (_, init) => {
        modes.push(init?.redirect)
        return Promise.resolve(
          init?.redirect === "follow" ? new Response("here") : Response.error()
        )
      }
      const http = yield* client("fetch")
      const response = yield* http.get("https://registry.example/").pipe(
        Effect.provideService(FetchHttpClient.Fetch, browser)
      )
      expect(yield* response.text).toBe("here")
      expect(modes).toEqual(["manual", "follow"])
    }))
})

describe("a registry", () => {
  it.scoped("that redirects in a loop fails with ResponseInvalid", () =>
    Effect.gen(function*() {
      const server = yield* serve(() => to("/there"))
      const registry = yield* connect(server, { maxRedirects: 2 })
      const error = yield* Effect.flip(Stream.runDrain(registry.listRepositories()))
      expect(error.message).toBe(
        "ListRepositories: the registry's answer breaks the protocol: it redirects more than 2 times"
      )
      expect(error).toMatchObject({ _tag: "OciResponseInvalid", operation: "ListRepositories", registry: server.host })
      expect(server.requests.length).toBe(3)
    }))

  it.scoped("that redirects to a host that does not answer fails with an error that contains only the origin", () =>
    Effect.gen(function*() {
      const vacant = yield* Effect.scoped(serve(() => ok))
      const server = yield* serve(() => to(`${vacant.origin}/bucket/key?signature=CANARY`))
      const registry = yield* connect(server)
      const error = yield* Effect.flip(Stream.runDrain(registry.listRepositories()))
      expect(error.message).toBe(`ListRepositories: cannot reach ${vacant.host}: connection refused`)
      expect(error).toMatchObject({ _tag: "OciTransportError", url: vacant.origin })
    }))
})

it.scoped("follows a redirect whose body does not end", () =>
  Effect.gen(function*() {
    const server = yield* serveRaw((_, response, count) => {
      if (count > 0) return response.end("here")
      response.writeHead(307, { location: "/there", "content-length": "100" })
      response.write("over")
    })
    const http = yield* client("undici")
    const following = yield* Effect.fork(Effect.flatMap(http.get(server.origin), (response) => response.text))
    yield* until(() => server.requests.length === 1)
    yield* Effect.repeat(TestClock.adjust("1 second"), { until: () => server.requests.length === 2 })
    expect(yield* Fiber.join(following)).toBe("here")
  }))
