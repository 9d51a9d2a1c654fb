import { Body, Descriptor, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import type { Registry } from "@effect-oci/core"
import { AdminApi } from "@effect-oci/guard"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { asUser, folder, serving } from "./serving.js"

const config = new TextEncoder().encode("{}")
const manifest = new TextEncoder().encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: Descriptor.fromBytes(config), layers: [] })
)

/** A client of the admin API. */
const adminClient = (username: string, password: string) =>
  Effect.flatMap(NodeRegistryServer.Address, ({ authority }) =>
    HttpApiClient.make(AdminApi.Api, {
      baseUrl: `http://${authority}`,
      transformClient: HttpClient.mapRequest(HttpClientRequest.basicAuth(username, password))
    })).pipe(Effect.provide(FetchHttpClient.layer))

const notGranted = "the token does not allow this"

const push = (repository: string) => (registry: Registry.Service) => {
  const name = RepositoryName.make(repository)
  return Effect.zipRight(
    registry.pushBlob(name, Descriptor.fromBytes(config), Body.bytes(config)),
    registry.pushManifest(name, { mediaType: MediaType.image, bytes: manifest, tags: [Tag.make("v1")] })
  )
}

it.scopedLive("lets robots of an admin log in, with their permissions, until they are removed", () =>
  Effect.gen(function*() {
    const path = yield* folder
    const environment = { REGISTRY_ACCESS_ADMINS: "alice" }
    const issued = yield* serving(path, environment)(Effect.gen(function*() {
      const admin = yield* adminClient("alice", "alice-secret")
      const issued = yield* admin.robots.create({
        payload: { name: "ci", permissions: "repository:team/**:pull,push", description: "builds", lifetimeDays: 30 }
      })
      const asRobot = asUser(issued.username, Redacted.value(issued.secret))
      yield* asRobot(push("team/app"))
      expect((yield* Effect.flip(asRobot(push("alice/app")))).message).toContain(notGranted)
      const outsider = yield* adminClient(issued.username, Redacted.value(issued.secret))
      expect(yield* Effect.flip(outsider.robots.list({ urlParams: {} }))).toMatchObject({ _tag: "ResponseError" })
      return issued
    }))
    yield* serving(path, environment)(Effect.gen(function*() {
      const asRobot = asUser(issued.username, Redacted.value(issued.secret))
      const admin = yield* adminClient("alice", "alice-secret")
      yield* asRobot(push("team/app"))
      const [robot] = yield* admin.robots.list({ urlParams: {} })
      expect(robot).toMatchObject({ name: "ci", lastUsedAt: expect.any(Date) as Date })
      yield* admin.robots.remove({ path: { name: "ci" } })
      expect((yield* Effect.flip(asRobot(push("team/app")))).message).toContain(
        "the user name or the password is wrong"
      )
      expect(yield* Effect.flip(admin.robots.get({ path: { name: "ci" } }))).toMatchObject({ _tag: "OciAdminUnknown" })
    }))
  }).pipe(Effect.provide(NodeContext.layer)))
