import { Client } from "@effect-oci/client"
import * as Fixtures from "@effect-oci/conformance/Fixtures"
import { Body, Descriptor, MediaType, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import { Durable } from "@effect-oci/durable"
import { Guard, Policy, Users } from "@effect-oci/guard"
import * as NodeCacheJournal from "@effect-oci/middleware/NodeCacheJournal"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope, Stream } from "effect"
import { join } from "node:path"
import { beforeAll } from "vitest"
import { build, run } from "./mirror.js"

const tag = Tag.make("v1")

/** Serves a registry with one image in one repository. */
const upstream = (name: string, of = name, guard?: Guard.Guard) =>
  Effect.gen(function*() {
    const repository = RepositoryName.make(name)
    const config = Fixtures.bytesOf(JSON.stringify({ of }))
    const descriptor = Descriptor.fromBytes(config, MediaType.imageConfig)
    const image = Fixtures.document(MediaType.image, { config: descriptor, layers: [] })
    const context = yield* Layer.build(
      NodeRegistryServer.layer({ port: 0, guard }).pipe(Layer.provideMerge(Memory.layer()))
    )
    const registry = Context.get(context, Registry)
    yield* registry.pushBlob(repository, descriptor, Body.bytes(config))
    yield* registry.pushManifest(repository, { ...image, tags: [tag] })
    /** Pushes blobs of one size. */
    const pushLayers = (count: number, size: number) =>
      Effect.forEach(Array.from({ length: count }, (_, index) => new Uint8Array(size).fill(index)), (content) => {
        const layer = Descriptor.fromBytes(content)
        return Effect.as(registry.pushBlob(repository, layer, Body.bytes(content)), layer)
      })
    return {
      ...image,
      repository,
      descriptor,
      pushLayers,
      authority: Context.get(context, NodeRegistryServer.Address).authority
    }
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

const clientOf = (host: string) =>
  Effect.map(Layer.build(Client.layer({ host, insecure: true })), Context.get(Registry))

/** Returns which of the blobs are in the store of a mirror that does not run. */
const storedIn = (
  directory: string,
  repository: RepositoryName.RepositoryName,
  layers: ReadonlyArray<Descriptor.Descriptor>
) =>
  Effect.flatMap(
    Registry,
    (store) => Effect.filter(layers, ({ digest }) => Effect.isSuccess(store.resolveBlob(repository, digest)))
  ).pipe(
    Effect.provide(Durable.layer({ directory, sparseManifests: true }))
  )

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
      const client = yield* clientOf(host)
      const both = Effect.all([pull(client, team), pull(client, rest)])
      const pulled = yield* both
      expect(pulled).toMatchObject([{ config: `{"of":"team/app"}` }, { config: `{"of":"library/tool"}` }])
      expect(pulled.map(({ bytes }) => Buffer.from(bytes))).toEqual([team, rest].map(({ bytes }) => Buffer.from(bytes)))
      yield* Scope.close(upstreams, Exit.void)
      expect(yield* both).toEqual(pulled)
      expect(yield* Effect.flip(client.deleteTag(team.repository, tag))).toMatchObject({
        _tag: "OciUnsupported",
        message: "DeleteTag team/app:v1: the registry is read-only"
      })
      yield* mirror.running.kill("SIGTERM")
      expect(yield* mirror.ended).toBe(0)
      expect(mirror.log()).toMatch(/message=GetBlob .*repository=library\/tool .*outcome=Success/)
      expect(mirror.log()).toMatch(/message=DeleteTag .*error=OciUnsupported/)
    })))

  it.scopedLive("serves an image of a minimum age, and trusted ones at once, also after a restart", () =>
    provided(Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const DATA = yield* files.makeTempDirectoryScoped({ prefix: "mirror-" })
      const { authority, ...image } = yield* upstream("team/app")
      const settings = { DATA, UPSTREAMS: `http://${authority}`, WATCH: "team/app" }
      const outcome = (added: { readonly MIN_AGE: string; readonly TRUSTED?: string }) =>
        Effect.scoped(Effect.gen(function*() {
          const mirror = yield* run({ ...settings, ...added })
          const client = yield* clientOf(yield* mirror.serving)
          return yield* Effect.merge(Effect.mapError(
            Effect.as(client.getManifest(image.repository, tag), "served"),
            ({ _tag }) => _tag
          ))
        }))
      expect(yield* outcome({ MIN_AGE: "1 day" })).toBe("OciDenied")
      expect(yield* outcome({ MIN_AGE: "1 day", TRUSTED: "team/" })).toBe("served")
      expect(yield* outcome({ MIN_AGE: "1 millis" })).toBe("served")
    })))

  it.scopedLive("is warm after kill -9, and what it stores is in its journal and within its limit", () =>
    provided(Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const DATA = yield* files.makeTempDirectoryScoped({ prefix: "mirror-" })
      const upstreams = yield* Scope.make()
      const team = yield* Scope.extend(upstream("team/app"), upstreams)
      const layers = yield* team.pushLayers(30, 100 * 1024)
      const settings = { DATA, CACHE_MIB: "1", STALE_IF_ERROR: "0 seconds", UPSTREAMS: `http://${team.authority}` }
      const first = yield* run(settings)
      const client = yield* clientOf(yield* first.serving)
      const pulled = yield* pull(client, team)
      const read = ({ digest }: Descriptor.Descriptor) =>
        Effect.scoped(Effect.flatMap(client.getBlob(team.repository, digest), ({ stream }) => Stream.runDrain(stream)))
      yield* Effect.forEach(layers.slice(0, 20), read, { concurrency: 4 })
      yield* pull(client, team)
      yield* Effect.forEach(layers.slice(20, 24), read)
      const rest = yield* Effect.fork(Effect.forEach(layers.slice(24), read, { concurrency: 6 }))
      yield* Effect.sleep("20 millis")
      yield* Effect.ignore(first.running.kill("SIGKILL"))
      yield* Fiber.interrupt(rest)

      const stored = yield* storedIn(DATA, team.repository, layers)
      const { entries } = yield* Effect.scoped(NodeCacheJournal.make(join(DATA, "cache.ndjson"))(() => []))
      const listed = new Set<string>()
      for (const entry of entries) {
        if (entry._tag === "Stored") listed.add(entry.digest)
        if (entry._tag === "Removed") listed.delete(entry.digest)
      }
      expect(stored.filter(({ digest }) => !listed.has(digest))).toEqual([])
      expect(stored.length).toBeGreaterThan(0)
      expect(stored.length * 100 * 1024).toBeLessThanOrEqual(1024 * 1024)

      yield* Scope.close(upstreams, Exit.void)
      const second = yield* run(settings)
      expect(yield* pull(yield* clientOf(yield* second.serving), team)).toEqual(pulled)
    })))

  it.scopedLive("serves two registries with equal names apart, by ns and by the name of the host", () =>
    provided(Effect.gen(function*() {
      const [one, other] = yield* Effect.all([upstream("team/app"), upstream("team/app", "another image")])
      const mirror = yield* run({
        UPSTREAMS: `one.example=http://${one.authority},localhost:81=http://${other.authority}`,
        DEFAULT: "one.example"
      })
      const host = yield* mirror.serving
      const get = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(`http://${host}/v2/${path}`)
          return { status: response.status, text: await response.text() }
        })
      const served = ({ bytes }: typeof one) => ({ status: 200, text: Buffer.from(bytes).toString() })
      // The second round is answered by the cache.
      for (const _ of [1, 2]) {
        expect(yield* get("team/app/manifests/v1?ns=one.example")).toEqual(served(one))
        expect(yield* get("team/app/manifests/v1?ns=localhost:81")).toEqual(served(other))
        expect(yield* get("team/app/manifests/v1")).toEqual(served(one))
        expect(yield* get("localhost_81/team/app/manifests/v1")).toEqual(served(other))
        const { digest } = other.descriptor
        expect(yield* get(`team/app/blobs/${digest}?ns=localhost:81`)).toMatchObject({ status: 200 })
        expect(yield* get(`team/app/blobs/${digest}?ns=one.example`)).toMatchObject({ status: 404 })
      }
      // This address serves a registry, but is not configured as a namespace.
      expect(yield* get(`team/app/manifests/v1?ns=${other.authority}`)).toMatchObject({ status: 404 })
      expect(mirror.log()).toMatch(/message=GetManifest .*repository=localhost_81\/team\/app/)
    })))

  it.scopedLive("asks the upstream what each caller may pull, with the credentials of the caller", () =>
    provided(Effect.gen(function*() {
      const upstreams = yield* Scope.make()
      const passwords: { readonly [name: string]: string } = { alice: "CANARY-a", bob: "CANARY-b" }
      const users: Users.Users = {
        check: ({ password, username }) =>
          passwords[username] === Redacted.value(password)
            ? Effect.succeed({ identity: { name: username, claims: {} }, version: "1" })
            : Effect.fail(new RegistryError.Unauthorized({})),
        find: Users.none.find
      }
      const policy = Policy.make(({ name }, { resource }) => name === "alice" && resource === "team/app")
      const team = yield* Scope.extend(upstream("team/app", "team/app", Guard.make({ users, policy })), upstreams)
      const mirror = yield* run({ UPSTREAMS: `http://${team.authority}`, CALLERS: team.authority })
      const host = yield* mirror.serving
      const get = (path: string, user?: string, password = user === undefined ? "" : passwords[user]) =>
        Effect.promise(async () => {
          const credentials = Buffer.from(`${user}:${password}`).toString("base64")
          const headers = user === undefined ? {} : { authorization: `Basic ${credentials}` }
          const response = await fetch(`http://${host}/v2/${path}`, { headers })
          return {
            status: response.status,
            challenge: response.headers.get("www-authenticate"),
            text: await response.text()
          }
        })
      const manifest = "team/app/manifests/v1"
      const blob = `team/app/blobs/${team.descriptor.digest}`
      const challenged = { status: 401, challenge: expect.stringMatching(/^Basic realm=/) as unknown }
      for (const path of ["", manifest, blob]) expect(yield* get(path)).toMatchObject(challenged)
      const whole = { status: 200, text: Buffer.from(team.bytes).toString() }
      expect(yield* get(manifest, "alice")).toMatchObject(whole)
      expect(yield* get(blob, "alice")).toMatchObject({ status: 200 })
      for (const path of [manifest, blob]) {
        expect(yield* get(path, "bob")).toMatchObject({ status: 403 })
        expect(yield* get(path, "alice", "CANARY-wrong")).toMatchObject(challenged)
        expect(yield* get(path)).toMatchObject(challenged)
      }
      // What the upstream granted is valid for a time, for the same caller only.
      yield* Scope.close(upstreams, Exit.void)
      expect(yield* get(manifest, "alice")).toMatchObject(whole)
      for (const path of [manifest, blob]) {
        expect((yield* get(path, "bob")).status).toBeGreaterThanOrEqual(500)
        expect((yield* get(path, "alice", "CANARY-wrong")).status).toBeGreaterThanOrEqual(500)
      }
      expect(mirror.log()).not.toMatch(/CANARY|Q0FOQVJZ/)
    })))

  const wrong: ReadonlyArray<readonly [name: string, value: string, shown: string]> = [
    [
      "UPSTREAMS",
      "https://a.example,CANARY@b.example",
      "entry 2: it is not an https:// or http:// URL; write host=url, prefix/=url or url"
    ],
    ["UPSTREAMS", "https://user:CANARY@a.example", "entry 1: its URL has a user, a query or a fragment; write"],
    [
      "UPSTREAMS",
      "team=https://a.example",
      "entry 1: invalid repository prefix \"team\": it does not end with a slash"
    ],
    ["UPSTREAMS", "docker.io:0=https://a.example", "entry 1: invalid registry \"docker.io:0\": "],
    ["CALLERS", "CANARY@quay.io", "it is not the host of a URL in UPSTREAMS"],
    ["DEFAULT", "quay.io", "it is not a host of UPSTREAMS; write a host=url entry for it"],
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
