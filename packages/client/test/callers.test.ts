/** A client with the credentials of each caller: nothing that the client keeps for one caller serves another. */
import { Credentials } from "@effect-oci/auth"
import { Caller, Digest, Handler, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { serve } from "@effect-oci/testing/NodeScripted"
import type { Answer, ReceivedRequest } from "@effect-oci/testing/NodeScripted"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import * as Client from "../src/Client.js"

const repository = RepositoryName.make("team/app")
const digest = Digest.fromBytes(new TextEncoder().encode("{}"))

const as = (username: string | undefined) =>
  Effect.provideService(
    Caller.Presented,
    username === undefined ? undefined : { _tag: "Basic", username, password: Redacted.make(`CANARY-${username}`) }
  )

/** Returns the name of the user in a `Basic` header or in a token of the server below. */
const userOf = ({ headers: { authorization = "" } }: ReceivedRequest): string | undefined => {
  const [scheme, value = ""] = authorization.split(" ")
  if (scheme === undefined || value === "") return undefined
  return Buffer.from(value, "base64").toString().split(":")[0]
}

/** A registry and its token server in one, which serves each user the tags of that user, out of order. */
const registry = Effect.gen(function*() {
  let origin = ""
  const server = yield* serve((request): Answer => {
    const url = new URL(request.target, "http://x")
    if (url.pathname === "/token") {
      const token = Buffer.from(`${userOf(request) ?? "anonymous"}:token`).toString("base64")
      return { status: 200, body: JSON.stringify({ token }) }
    }
    const user = request.headers.authorization?.startsWith("Bearer ") === true ? userOf(request) : undefined
    if (user === undefined) {
      return {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="${origin}/token",service="test"` }
      }
    }
    if (user === "anonymous") return { status: 404 }
    return {
      status: 200,
      headers: { "docker-content-digest": digest, "content-type": "application/vnd.oci.image.manifest.v1+json" },
      body: url.pathname.endsWith("/list") ? `{"name":"team/app","tags":["z-${user}","a-${user}"]}` : "{}"
    }
  })
  origin = server.origin
  return server
})

const clientOf = (host: string, credentialsFor = host) =>
  Effect.map(
    Layer.build(
      Client.layer({ host, insecure: true }).pipe(
        Layer.provide(Credentials.layerCaller({ host: credentialsFor })),
        Layer.provide(NodeHttpClient.layerUndici)
      )
    ),
    Context.get(Registry)
  )

describe("a client with the credentials of its callers", () => {
  it.scopedLive("sends each request with the token of its own caller, also at the same time", () =>
    Effect.gen(function*() {
      const server = yield* registry
      const client = yield* clientOf(new URL(server.origin).host)
      const users = ["alice", "bob", "carol"]
      const digests = yield* Effect.forEach(
        [...users, ...users],
        (user) => as(user)(client.resolveManifest(repository, Tag.make(user))),
        { concurrency: "unbounded" }
      )
      expect(digests.map((found) => found.digest)).toEqual(Array.from({ length: 6 }, () => digest))
      const sent = server.requests.filter(({ headers, target }) =>
        target.includes("/manifests/") && headers.authorization !== undefined
      )
      expect(sent.length).toBeGreaterThanOrEqual(6)
      for (const request of sent) expect(request.target).toBe(`/v2/team/app/manifests/${userOf(request)}`)
      const tokens = server.requests.filter(({ target }) => target.startsWith("/token")).map(userOf)
      expect(new Set(tokens)).toEqual(new Set(users))
    }))

  it.scopedLive("is anonymous for a caller without credentials, after others had some", () =>
    Effect.gen(function*() {
      const server = yield* registry
      const client = yield* clientOf(new URL(server.origin).host)
      yield* as("alice")(client.resolveManifest(repository, Tag.make("v1")))
      const error = yield* Effect.flip(as(undefined)(client.resolveManifest(repository, Tag.make("v1"))))
      expect(error._tag).toMatch(/Unknown/)
      expect(error.message).not.toContain("CANARY")
    }))

  it.scopedLive("keeps lists for each caller", () =>
    Effect.gen(function*() {
      const server = yield* registry
      const client = yield* clientOf(new URL(server.origin).host)
      const list = (user: string, last?: Tag.Tag) =>
        as(user)(
          Effect.map(
            Stream.runCollect(client.listTags(repository, last === undefined ? {} : { last })),
            (tags) => [...tags]
          )
        )
      for (const user of ["alice", "bob"]) {
        expect(yield* list(user)).toEqual([`a-${user}`, `z-${user}`])
        expect(yield* list(user, Tag.make("b"))).toEqual([`z-${user}`])
      }
    }))

  it.scopedLive("gives them to no other host", () =>
    Effect.gen(function*() {
      const server = yield* registry
      const client = yield* clientOf(new URL(server.origin).host, "registry.example.com")
      yield* Effect.exit(as("alice")(client.resolveManifest(repository, Tag.make("v1"))))
      expect(server.requests.map(userOf).filter((user) => user === "alice")).toEqual([])
    }))

  it.scopedLive("is a registry that no cache shares among callers", () =>
    Effect.gen(function*() {
      const client = yield* clientOf("registry.example.com")
      expect(Handler.dependsOnCaller(client.handle)).toBe(true)
      const plain = Client.layer({ host: "registry.example.com" }).pipe(Layer.provide(NodeHttpClient.layerUndici))
      const { handle } = Context.get(yield* Layer.build(plain), Registry)
      expect(Handler.dependsOnCaller(handle)).toBe(false)
    }))
})
