/** What tokens are asked for, and where they go. */
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

/** Continues an upload. The token with which it was started is enough. */
const started =
  (go: (registry: Registry.Service, id: string) => Effect.Effect<unknown, unknown>) => (registry: Registry.Service) =>
    Effect.flatMap(registry.startUpload(repository), ({ id }) => go(registry, id))

const ask = {
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
  "MountBlob from anywhere": [(registry) => registry.mountBlob(repository, digest), [[push]]],
  StartUpload: [(registry) => registry.startUpload(repository), [[push]]],
  GetUpload: [started((registry, id) => registry.getUpload(repository, id)), [[push]]],
  AppendUpload: [started((registry, id) => registry.appendUpload(repository, id, body, { offset: 0 })), [[push]]],
  CompleteUpload: [started((registry, id) => registry.completeUpload(repository, id, digest, { body })), [[push]]],
  CancelUpload: [started((registry, id) => registry.cancelUpload(repository, id)), [[push]]],
  PushManifest: [
    (registry) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] }),
    [[push]]
  ],
  DeleteBlob: [(registry) => registry.deleteBlob(repository, digest), [[deletes]]],
  // What refers to something is taken off its list: so it is read first.
  DeleteManifest: [(registry) => registry.deleteManifest(repository, imageDigest), [[pull], [deletes]]],
  DeleteTag: [(registry) => registry.deleteTag(repository, Tag.make("v1")), [[deletes]]],
  ListRepositories: [(registry) => Stream.runDrain(registry.listRepositories()), [["registry:catalog:*"]]],
  ListTags: [(registry) => Stream.runDrain(registry.listTags(repository)), [[pull]]],
  ListReferrers: [(registry) => Stream.runDrain(registry.listReferrers(repository, imageDigest)), [[pull]]]
} satisfies {
  readonly [operation: string]: readonly [
    ask: (registry: Registry.Service) => Effect.Effect<unknown, unknown>,
    tokens: ReadonlyArray<ReadonlyArray<string>>
  ]
}

/** A registry and its token server, which gives everybody who says who he is a token. */
const world = (evil: Evil, challenge: (server: string) => string) =>
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
  server.asked.map(({ target }) => new URL(target, server.origin).searchParams.getAll("scope"))

describe("an operation asks for no more than it needs", () => {
  evilEach(Object.entries(ask), ([name]) => name, ([, [operation, tokens]], evil) =>
    Effect.gen(function*() {
      const { registry, server } = yield* world(evil, (server) => `Bearer realm="${server}/token",service="registry"`)
      yield* evil.ask<unknown, unknown, never>(operation(registry))
      expect(scopesOf(server).map((scopes) => [...scopes].sort())).toEqual(
        tokens.map((scopes) => [...scopes].sort())
      )
    }))
})

describe("a registry that wants more of a pull does not get it:", () => {
  const challenges: ReadonlyArray<readonly [scope: string, asked: ReadonlyArray<string>]> = [
    ["repository:team/app:pull", [pull]],
    ["repository:other/app:pull,push", [pull]],
    ["repository:team/app:pull repository:other/app:*", [pull]],
    ["registry:catalog:*", [pull]],
    ["repository:team/app/below:pull", [pull]],
    ["repository:team:pull,push,delete", [pull]],
    ["offline_access", [pull]],
    ["", [pull]]
  ]
  evilEach(challenges, ([scope]) => `"${scope}"`, ([scope, asked], evil) =>
    Effect.gen(function*() {
      const { registry, server } = yield* world(
        evil,
        (server) => `Bearer realm="${server}/token",service="registry",scope="${scope}"`
      )
      expect(Exit.isSuccess(yield* evil.ask(registry.getManifest(repository, tag)))).toBe(true)
      for (const scopes of scopesOf(server)) expect(scopes).toEqual(asked)
      for (const { target } of server.asked) expect(target).not.toContain("offline")
    }))
})

evil(
  "tokens go to the registry, and for the user and the repository, that they were given for",
  (evil) =>
    Effect.gen(function*() {
      const hosts = ["registry.example", "evil.registry.example"]
      const users = ["alice", "bob"]
      const passwords = new Map(users.map((user) => [user, evil.secret()]))
      const given = new Map<string, { readonly host: string; readonly user: string; readonly scope: string }>()
      const tokens = new Map<string, string>()
      // Of each user, at each registry, for each repository: another token.
      const all = hosts.flatMap((host) =>
        users.flatMap((user) =>
          ["team/app", "team/base"].map((name) => ({ host, user, scope: `repository:${name}:pull` }))
        )
      )
      for (const one of all) {
        const token = evil.secret()
        tokens.set(JSON.stringify(one), token)
        given.set(token, one)
      }
      const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (asked) => {
        const query = new URL(asked.target, "https://auth.registry.example").searchParams
        const user = atob(EvilRegistry.header(asked, "authorization")?.slice("Basic ".length) ?? "").split(":")[0] ?? ""
        const one = { host: query.get("service") ?? "", user, scope: query.get("scope") ?? "" }
        return { status: 200, body: JSON.stringify({ token: tokens.get(JSON.stringify(one)), expires_in: 300 }) }
      })
      const sites = yield* Effect.forEach(hosts, (host) =>
        evil.site({ host, tls: true }, (asked, count) => {
          const token = EvilRegistry.header(asked, "authorization")?.slice("Bearer ".length)
          const one = token === undefined ? undefined : given.get(token)
          const name = /^\/v2\/(.+)\/manifests\//.exec(asked.target)?.[1]
          return one !== undefined && one.host === host && one.scope === `repository:${name}:pull`
            ? honest(asked, count)
            : {
              status: 401,
              headers: { "www-authenticate": `Bearer realm="${server.origin}/token",service="${host}"` }
            }
        }))
      for (const [token, { host }] of given) evil.belongs(token, server, sites[hosts.indexOf(host)]!)
      for (const password of passwords.values()) evil.belongs(password, server)
      const clients = yield* Effect.forEach(
        sites.flatMap((site) => users.map((user) => ({ site, user }))),
        ({ site, user }) =>
          connect(evil, site, {
            credentials: { [site.host]: { ...alice(site, passwords.get(user)!)[site.host]!, username: user } as never }
          })
      )
      // Twice, mixed up: the second time all are there.
      const turns = [...clients, ...[...clients].reverse()].flatMap((client) =>
        [[client, repository], [client, base]] as const
      )
      const exits = yield* Effect.forEach(turns, ([client, name]) => evil.ask(client.getManifest(name, tag)), {
        concurrency: 4
      })
      expect(exits.every(Exit.isSuccess)).toBe(true)
      expect(server.asked.length).toBe(all.length)
    })
)
