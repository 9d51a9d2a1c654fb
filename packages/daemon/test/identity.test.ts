import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Body, Descriptor, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Policy, TokenKeys } from "@effect-oci/guard"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as NodeIssuer from "@effect-oci/testing/NodeIssuer"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext, NodeSocketServer } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted, TestClock } from "effect"
import * as NodeDaemon from "../src/NodeDaemon.js"
import * as Settings from "../src/Settings.js"

/** Returns a port that was free a moment ago. */
const freePort = Effect.scoped(
  Effect.map(
    NodeSocketServer.make({ host: "127.0.0.1", port: 0 }),
    ({ address }) => address._tag === "TcpAddress" ? address.port : 0
  )
)

/** Serves a registry in memory with settings. */
const serving = (environment: { readonly [name: string]: string }) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const port = String(yield* freePort)
    const variables = { CONFIG: "/dev/null", REGISTRY_SERVER_PORT: port, ...environment }
    return NodeDaemon.layer({
      settings: yield* Settings.read(NodeDaemon.tables, { environment: variables }),
      secrets: {
        tokenKeys: yield* TokenKeys.ring(yield* TokenKeys.generate()),
        uploadKey: Redacted.make("0123456789abcdef")
      },
      policy: Policy.authenticated
    })
  })).pipe(
    Layer.provide([Memory.layer(), NodeContext.layer]),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

/** Uses the registry over HTTP with a credential. */
const client =
  (credential: Credential.Credential | undefined) => <A, E>(use: (registry: Registry.Service) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const { authority } = yield* NodeRegistryServer.Address
      const registry = Client.layer({ host: authority, insecure: true }).pipe(
        Layer.provide(Credentials.layerStatic(credential === undefined ? {} : { [authority]: credential })),
        Layer.provide(FetchHttpClient.layer)
      )
      return yield* use(Context.get(yield* Layer.build(registry), Registry))
    }).pipe(Effect.scoped)

const config = new TextEncoder().encode("{}")
const manifest = new TextEncoder().encode(
  JSON.stringify({ schemaVersion: 2, mediaType: MediaType.image, config: Descriptor.fromBytes(config), layers: [] })
)

const notGranted = "the token does not allow this"

const push = (repository: string) => (registry: Registry.Service) => {
  const name = RepositoryName.make(repository)
  return Effect.zipRight(
    registry.pushBlob(name, Descriptor.fromBytes(config), Body.bytes(config)),
    registry.pushManifest(name, { mediaType: MediaType.image, bytes: manifest, tags: [Tag.make("v1")] })
  )
}

it.scoped("lets a workflow push to its own repository and to no other, while keys change and the issuer stops", () =>
  Effect.gen(function*() {
    const issuer = yield* NodeIssuer.make("RS256")
    const issuers = [{
      kind: "github",
      url: issuer.url,
      rules: [
        { when: { repository_owner: "team", ref: "refs/heads/main" }, grant: "repository:{repository}:pull,push" },
        { when: { repository_owner: "team" }, grant: "repository:team/**:pull" }
      ]
    }]
    const workflow = (claims?: { readonly [claim: string]: unknown }) =>
      Effect.map(
        issuer.sign({
          sub: "repo:team/app:ref:refs/heads/main",
          repository: "team/app",
          repository_owner: "team",
          ref: "refs/heads/main",
          ...claims
        }),
        (token) => client(Credential.basic("oidc", Redacted.make(token)))
      )
    const environment = { REGISTRY_OIDC_AUDIENCE: "registry.example", REGISTRY_OIDC_ISSUERS: JSON.stringify(issuers) }
    yield* Effect.gen(function*() {
      const refused = (use: ReturnType<typeof client>, repository: string) =>
        Effect.map(Effect.flip(use(push(repository))), (error) => error.message)

      const main = yield* workflow()
      yield* main(push("team/app"))
      for (const other of ["team/other", "team/app2", "team/app/web", "team", "alice/app", "public/app"]) {
        expect([other, yield* refused(main, other)]).toEqual([other, expect.stringContaining(notGranted)])
      }
      const branch = yield* workflow({ ref: "refs/heads/feature" })
      expect(yield* refused(branch, "team/app")).toContain(notGranted)
      const read = (registry: Registry.Service) => registry.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
      expect((yield* branch(read)).bytes).toEqual(manifest)
      const stranger = yield* workflow({ repository: "team-evil/app", repository_owner: "team-evil" })
      expect(yield* refused(stranger, "team-evil/app")).toContain(notGranted)
      expect(yield* refused(yield* workflow({ aud: "other.example" }), "team/app")).toContain(
        `claim "aud" is missing or wrong`
      )

      yield* TestClock.adjust("31 seconds")
      yield* issuer.rotate
      const rotated = yield* workflow()
      yield* rotated(push("team/app"))
      expect(yield* refused(rotated, "team/other")).toContain(notGranted)
      expect(yield* refused(yield* workflow({ exp: 0 }), "team/app")).toContain("the token has expired")

      yield* issuer.setStopped(true)
      yield* TestClock.adjust("2 hours")
      yield* (yield* workflow())(push("team/app"))

      const anonymous = yield* Effect.flip(client(undefined)(push("team/app")))
      expect(anonymous._tag).toBe("OciUnauthorized")
    }).pipe(Effect.provide(serving(environment)))
  }))
