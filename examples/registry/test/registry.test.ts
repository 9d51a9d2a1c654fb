import { Body, Descriptor, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import type { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import { statSync } from "node:fs"
import { join } from "node:path"
import { asAlice, folder, serving } from "./serving.js"

const get = (path: string) =>
  Effect.flatMap(NodeRegistryServer.Address, ({ authority }) =>
    Effect.promise(async () => {
      const response = await fetch(`http://${authority}${path}`)
      return { status: response.status, text: await response.text() }
    }))

const repository = RepositoryName.make("alice/app")
const tag = Tag.make("v1")
const config = new TextEncoder().encode("{}")
const manifest = new TextEncoder().encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: Descriptor.fromBytes(config), layers: [] })
)

const push = (registry: Registry.Service) =>
  Effect.zipRight(
    registry.pushBlob(repository, Descriptor.fromBytes(config), Body.bytes(config)),
    registry.pushManifest(repository, { mediaType: MediaType.image, bytes: manifest, tags: [tag] })
  )

const test = <A, E>(effect: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(NodeContext.layer))

it.live("keeps its content, its keys and its upload sessions when it is started again", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const run = serving(path)
    const pushed = yield* run(asAlice(push))
    const session = yield* run(asAlice((registry) =>
      Effect.flatMap(registry.startUpload(repository), ({ id }) =>
        registry.appendUpload(repository, id, Body.bytes(config.subarray(0, 1))))
    ))
    expect(
      yield* run(asAlice((registry) =>
        registry.resolveManifest(repository, tag)
      ))
    ).toMatchObject({
      digest: pushed.digest
    })
    for (const name of ["token.pem", "upload.key"]) {
      expect(statSync(join(path, "data", "keys", name)).mode & 0o777).toBe(0o600)
    }
    expect(session.offset).toBe(1)
  }).pipe(test))

it.live("reports the health of its disk and its database", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const healthy = yield* serving(path)(get("/healthz"))
    expect(healthy.status).toBe(200)
    expect(JSON.parse(healthy.text)).toEqual({ disk: { freeBytes: expect.any(Number) as number }, database: {} })
    const full = yield* serving(path, { REGISTRY_STORAGE_MIN_FREE: "1000 TiB" })(get("/healthz"))
    expect(full.status).toBe(503)
    expect(full.text).toContain("delete content, or use a larger disk")
  }).pipe(test))

it.live("refuses pushes when the disk is nearly full, and still serves", () =>
  Effect.gen(function*() {
    const path = yield* folder
    yield* serving(path)(asAlice(push))
    yield* serving(path, { REGISTRY_STORAGE_MIN_FREE: "1000 TiB" })(Effect.gen(function*() {
      const error = yield* Effect.flip(asAlice(push))
      expect(error).toMatchObject({ status: 507 })
      expect((yield* asAlice((registry) => registry.getManifest(repository, tag))).bytes).toEqual(manifest)
    }))
  }).pipe(test))

it.live("serves metrics to this machine", () =>
  Effect.gen(function*() {
    const { text } = yield* serving(yield* folder)(Effect.zipRight(asAlice(push), get("/metrics")))
    expect(text).toMatch(/^oci_operation_count_total\{oci_operation="PushManifest",oci_outcome="Success"\} \d+$/m)
    expect(text).toMatch(/^oci_operation_duration_seconds_bucket\{.*le="\+Inf"\} \d+$/m)
  }).pipe(test))

it.scopedLive("serves no page if the explorer is turned off", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const status = yield* serving(path)(Effect.gen(function*() {
      const { authority } = yield* NodeRegistryServer.Address
      return yield* Effect.promise(async () => (await fetch(`http://${authority}/`)).status)
    }))
    expect(status).toBe(404)
  }).pipe(Effect.provide(NodeContext.layer)))

it.scopedLive("refuses pushes above a quota, and says how much is used, also after a restart", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const quota = { REGISTRY_QUOTA_BYTES_PER_NAME: "1 KiB" }
    const pushBlob = (size: number) => {
      const content = new Uint8Array(size)
      return asAlice((registry) => registry.pushBlob(repository, Descriptor.fromBytes(content), Body.bytes(content)))
    }
    yield* serving(path, quota)(Effect.zipRight(asAlice(push), pushBlob(500)))
    const error = yield* serving(path, quota)(Effect.flip(pushBlob(600)))
    expect(error._tag).toBe("OciDenied")
    expect(error.message).toMatch(/the quota of "alice" is 1024 bytes: \d+ are used, and this push needs 600 more/)
    yield* serving(path)(pushBlob(600))
  }).pipe(Effect.provide(NodeContext.layer)))
