/** The scopes of requested tokens, and the registries that receive the tokens. */
import type { Registry } from "@effect-oci/core"
import { MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBearer,
  body,
  connect,
  descriptor,
  digest,
  evil,
  evilEach,
  honest,
  image,
  imageDigest,
  repository,
  tag
} from "./setup.js"
import type { Evil } from "./setup.js"

const base = RepositoryName.make("team/base")

const pull = "repository:team/app:pull"
const push = "repository:team/app:pull,push"
const deletes = "repository:team/app:delete"

/** Continues an upload, with the token that opened the session. */
const withUpload =
  (call: (registry: Registry.Service, id: string) => Effect.Effect<unknown, unknown>) => (registry: Registry.Service) =>
    Effect.flatMap(registry.startUpload(repository), ({ id }) => call(registry, id))

const calls = {
  ResolveBlob: [(registry) => registry.resolveBlob(repository, digest), [[pull]]],
  GetBlob: [
    (registry) =>
      Effect.scoped(Effect.flatMap(registry.getBlob(repository, digest), ({ stream }) => Stream.runDrain(stream))),
    [[pull]]
  ],
  ResolveManifest: [(registry) => registry.resolveManifest(repository, tag), [[pull]]],
  GetManifest: [(registry) => registry.getManifest(repository, tag), [[pull]]],
  PushBlob: [(registry) => registry.pushBlob(repository, descriptor, body), [[push]]],
  MountBlob: [(registry) => registry.mountBlob(repository, digest, { from: base }), [[
    push,
    "repository:team/base:pull"
  ]]],
  "MountBlob without a source": [(registry) => registry.mountBlob(repository, digest), [[push]]],
  StartUpload: [(registry) => registry.startUpload(repository), [[push]]],
  GetUpload: [withUpload((registry, id) => registry.getUpload(repository, id)), [[push]]],
  AppendUpload: [withUpload((registry, id) => registry.appendUpload(repository, id, body, { offset: 0 })), [[push]]],
  CompleteUpload: [withUpload((registry, id) => registry.completeUpload(repository, id, digest, { body })), [[push]]],
  CancelUpload: [withUpload((registry, id) => registry.cancelUpload(repository, id)), [[push]]],
  PushManifest: [
    (registry) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] }),
    [[push]]
  ],
  DeleteBlob: [(registry) => registry.deleteBlob(repository, digest), [[deletes]]],
  // The client reads the manifest first, to remove a referrer from the list of its subject.
  DeleteManifest: [(registry) => registry.deleteManifest(repository, imageDigest), [[pull], [deletes]]],
  DeleteTag: [(registry) => registry.deleteTag(repository, Tag.make("v1")), [[deletes]]],
  ListRepositories: [(registry) => Stream.runDrain(registry.listRepositories()), [["registry:catalog:*"]]],
  ListTags: [(registry) => Stream.runDrain(registry.listTags(repository)), [[pull]]],
  ListReferrers: [(registry) => Stream.runDrain(registry.listReferrers(repository, imageDigest)), [[pull]]]
} satisfies {
  readonly [operation: string]: readonly [
    call: (registry: Registry.Service) => Effect.Effect<unknown, unknown>,
    tokens: ReadonlyArray<ReadonlyArray<string>>
  ]
}

/** Creates a registry and its token server. The token server issues a token to every user. */
const tokenRegistry = (evil: Evil, challenge: (server: string) => string) =>
  Effect.gen(function*() {
    const password = evil.secret()
    const token = evil.secret()
    const server = yield* evil.site({ host: "auth.registry.example", tls: true }, () => ({
      status: 200,
      body: JSON.stringify({ token, expires_in: 300 })
    }))
    const home = yield* evil.site(
      { host: "registry.example", tls: true },
      behindBearer(() => challenge(server.origin), [token], honest)
    )
    evil.belongs(password, server)
    evil.belongs(token, home, server)
    const registry = yield* connect(evil, home, { credentials: alice(home, password) })
    return { home, registry, server }
  })

const scopesOf = (server: EvilRegistry.Site): ReadonlyArray<ReadonlyArray<string>> =>
  server.requests.map(({ target }) => new URL(target, server.origin).searchParams.getAll("scope"))

describe("an operation requests only the scopes that it requires", () => {
  evilEach(Object.entries(calls), ([name]) => name, ([, [operation, tokens]], evil) =>
    Effect.gen(function*() {
      const { registry, server } = yield* tokenRegistry(evil, (server) =>
        `Bearer realm="${server}/token",service="registry"`)
      yield* evil.run<unknown, unknown, never>(operation(registry))
      expect(
        scopesOf(server).map((scopes) =>
          [...scopes].sort()
        )
      ).toEqual(
        tokens.map((scopes) => [...scopes].sort())
      )
    }))
})

describe("a pull does not request the additional scopes of a challenge:", () => {
  const challenges: ReadonlyArray<readonly [scope: string, requested: ReadonlyArray<string>]> = [
    ["repository:team/app:pull", [pull]],
    ["repository:other/app:pull,push", [pull]],
    ["repository:team/app:pull repository:other/app:*", [pull]],
    ["registry:catalog:*", [pull]],
    ["repository:team/app/below:pull", [pull]],
    ["repository:team:pull,push,delete", [pull]],
    ["offline_access", [pull]],
    ["", [pull]]
  ]
  evilEach(challenges, ([scope]) => `"${scope}"`, ([scope, requested], evil) =>
    Effect.gen(function*() {
      const { registry, server } = yield* tokenRegistry(
        evil,
        (server) => `Bearer realm="${server}/token",service="registry",scope="${scope}"`
      )
      expect(Exit.isSuccess(yield* evil.run(registry.getManifest(repository, tag)))).toBe(true)
      for (const scopes of scopesOf(server)) expect(scopes).toEqual(requested)
      for (const { target } of server.requests) expect(target).not.toContain("offline")
    }))
})

evil(
  "a token is used only for the registry, user and repository that it was issued for",
  (evil) =>
    Effect.gen(function*() {
      const hosts = ["registry.example", "evil.registry.example"]
      const users = ["alice", "bob"]
      const passwords = new Map(users.map((user) => [user, evil.secret()]))
      const issued = new Map<string, { readonly host: string; readonly user: string; readonly scope: string }>()
      const tokens = new Map<string, string>()
      // A different token for each user, registry and repository.
      const all = hosts.flatMap((host) =>
        users.flatMap((user) =>
          ["team/app", "team/base"].map((name) => ({ host, user, scope: `repository:${name}:pull` }))
        )
      )
      for (const one of all) {
        const token = evil.secret()
        tokens.set(JSON.stringify(one), token)
        issued.set(token, one)
      }
      const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (request) => {
        const query = new URL(request.target, "https://auth.registry.example").searchParams
        const user = atob(EvilRegistry.header(request, "authorization")?.slice("Basic ".length) ?? "").split(":")[0] ??
          ""
        const one = { host: query.get("service") ?? "", user, scope: query.get("scope") ?? "" }
        return { status: 200, body: JSON.stringify({ token: tokens.get(JSON.stringify(one)), expires_in: 300 }) }
      })
      const sites = yield* Effect.forEach(hosts, (host) =>
        evil.site({ host, tls: true }, (request, count) => {
          const token = EvilRegistry.header(request, "authorization")?.slice("Bearer ".length)
          const one = token === undefined ? undefined : issued.get(token)
          const name = /^\/v2\/(.+)\/manifests\//.exec(request.target)?.[1]
          return one !== undefined && one.host === host && one.scope === `repository:${name}:pull`
            ? honest(request, count)
            : {
              status: 401,
              headers: { "www-authenticate": `Bearer realm="${server.origin}/token",service="${host}"` }
            }
        }))
      for (const [token, { host }] of issued) evil.belongs(token, server, sites[hosts.indexOf(host)]!)
      for (const password of passwords.values()) evil.belongs(password, server)
      const clients = yield* Effect.forEach(
        sites.flatMap((site) => users.map((user) => ({ site, user }))),
        ({ site, user }) =>
          connect(evil, site, {
            credentials: { [site.host]: { ...alice(site, passwords.get(user)!)[site.host]!, username: user } as never }
          })
      )
      // Each request twice, in a different order: the second time, all tokens are cached.
      const requests = [...clients, ...[...clients].reverse()].flatMap((client) =>
        [[client, repository], [client, base]] as const
      )
      const exits = yield* Effect.forEach(requests, ([client, name]) => evil.run(client.getManifest(name, tag)), {
        concurrency: 4
      })
      expect(exits.every(Exit.isSuccess)).toBe(true)
      expect(server.requests.length).toBe(all.length)
    })
)
