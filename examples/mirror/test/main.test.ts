import { Client } from "@effect-oci/client"
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"
import { beforeAll } from "vitest"
import { build, run } from "./mirror.js"

const tag = Tag.make("v1")

/** Serves a registry with one image in one repository. */
const upstream = (name: string) =>
  Effect.gen(function*() {
    const repository = RepositoryName.make(name)
    const config = Fixtures.bytesOf(JSON.stringify({ of: name }))
    const descriptor = Descriptor.fromBytes(config, MediaType.imageConfig)
    const image = Fixtures.document(MediaType.image, { config: descriptor, layers: [] })
    const context = yield* Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer())))
    const registry = Context.get(context, Registry)
    yield* registry.pushBlob(repository, descriptor, Body.bytes(config))
    yield* registry.pushManifest(repository, { ...image, tags: [tag] })
    return { ...image, repository, descriptor, authority: Context.get(context, NodeRegistryServer.Address).authority }
  })

/** Pulls the image of an upstream through the mirror. */
const pull = (
  mirror: Registry["Type"],
  { descriptor, repository }: Effect.Effect.Success<ReturnType<typeof upstream>>
) =>
  Effect.gen(function*() {
    const { bytes } = yield* mirror.getManifest(repository, tag)
    const { stream } = yield* mirror.getBlob(repository, descriptor.digest)
    return { bytes, config: Buffer.concat(Chunk.toReadonlyArray(yield* Stream.runCollect(stream))).toString() }
  })

const quiet = Logger.remove(Logger.defaultLogger)

const provided = <A, E>(effect: Effect.Effect<A, E, Layer.Layer.Success<typeof services> | Scope.Scope>) =>
  Effect.provide(effect, services)

const services = Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici, quiet)

beforeAll(build, 120_000)

describe("the mirror", () => {
  it.scopedLive("pulls from two registries, and continues to serve while they are down", () =>
    provided(Effect.gen(function*() {
      const upstreams = yield* Scope.make()
      const team = yield* Scope.extend(upstream("team/app"), upstreams)
      const rest = yield* Scope.extend(upstream("library/tool"), upstreams)
      const mirror = yield* run({ UPSTREAMS: `team/=http://${team.authority}, http://${rest.authority}` })
      const host = yield* mirror.serving
      const client = Context.get(yield* Layer.build(Client.layer({ host, insecure: true })), Registry)
      const both = Effect.all([pull(client, team), pull(client, rest)])
      const pulled = yield* both
      expect(pulled).toMatchObject([{ config: `{"of":"team/app"}` }, { config: `{"of":"library/tool"}` }])
      expect(pulled.map(({ bytes }) => Buffer.from(bytes))).toEqual([team, rest].map(({ bytes }) => Buffer.from(bytes)))
      yield* Scope.close(upstreams, Exit.void)
      expect(yield* both).toEqual(pulled)
      expect(yield* Effect.flip(client.deleteTag(team.repository, tag))).toMatchObject({
        _tag: "Unsupported",
        message: "DeleteTag team/app:v1: the registry is read-only"
      })
      yield* mirror.running.kill("SIGTERM")
      expect(yield* mirror.ended).toBe(0)
      expect(mirror.log()).toMatch(/message=GetBlob .*repository=library\/tool .*outcome=Success/)
      expect(mirror.log()).toMatch(/message=DeleteTag .*error=Unsupported/)
    })))

  const wrong: ReadonlyArray<readonly [name: string, value: string, shown: string]> = [
    [
      "UPSTREAMS",
      "https://a.example,CANARY@b.example",
      "entry 2: it is not an https:// or http:// URL; write prefix/=url, or url"
    ],
    ["UPSTREAMS", "https://user:CANARY@a.example", "entry 1: its URL has a user, a query or a fragment; write"],
    [
      "UPSTREAMS",
      "team=https://a.example",
      "entry 1: invalid repository prefix \"team\": it does not end with a slash"
    ],
    ["PORT", "70000", "it must be 0 to 65535"],
    ["TAG_TTL", "soon", "Expected a duration"]
  ]
  it.scopedLive.each(wrong)(
    "prints in one line why it refuses %s=%s",
    ([name, value, shown]) =>
      provided(Effect.gen(function*() {
        const mirror = yield* run({ [name]: value })
        expect(yield* mirror.ended).toBe(1)
        expect(mirror.log().trim().split("\n")).toHaveLength(1)
        expect(mirror.log()).toContain(`mirror: (Invalid data at ${name}: "${shown}`)
        expect(mirror.log()).not.toContain("CANARY")
      }))
  )
})
