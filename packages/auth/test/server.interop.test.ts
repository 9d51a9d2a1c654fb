/** Tests of the guard, htpasswd files and the token service with docker-registry and skopeo. */
import { Client } from "@effect-oci/client"
import { Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Guard, Htpasswd, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import * as bcrypt from "bcryptjs"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import type { Scope } from "effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { Credential, Credentials } from "../src/index.js"

const policy = Policy.make(({ name }, { action, resource, type }) => {
  const [first] = resource.split("/")
  return name === "admin" || (type === "repository" && (first === name || (first === "public" && action === "pull")))
})

const artifact = images.image([1000])

/** Creates a folder with the users, an image as an OCI layout, and a certificate with its key. */
const prepare = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "guard-" })
  const users = ["admin", "alice", "bob"].map((name) => `${name}:${bcrypt.hashSync(`${name}-secret`, 5)}`)
  yield* files.writeFileString(join(folder, "users"), `${users.join("\n")}\n`)
  const pair = ["-keyout", "token.key", "-out", "token.crt", "-subj", "/CN=tokens"]
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  execFileSync("openssl", ["req", "-x509", ...curve, ...pair], { cwd: folder, stdio: "pipe" })
  yield* images.writeLayoutTo(folder, artifact)
  return {
    folder,
    image: `oci:${folder}:v1`,
    users: yield* Htpasswd.make({ path: join(folder, "users") }),
    key: yield* TokenKeys.fromPem(Redacted.make(yield* files.readFileString(join(folder, "token.key"))))
  }
})

/** Starts our server. Returns its authority. */
const serve = (options: Partial<NodeRegistryServer.Options>) =>
  Effect.map(
    Layer.build(NodeRegistryServer.layer({ port: 0, ...options }).pipe(Layer.provide(Memory.layer()))),
    (context) => Context.get(context, NodeRegistryServer.Address).authority
  )

/** The skopeo commands of a user who has logged in. */
const skopeo = (folder: string, authority: string) => {
  const file = (name: string) => ["--authfile", join(folder, `${name}.json`)]
  const at = (repository: string) => `docker://${authority}/${repository}:v1`
  return {
    login: (name: string, password = `${name}-secret`) =>
      NodePeers.skopeo("login", ...file(name), "--username", name, "--password", password, authority),
    push: (name: string, image: string, repository: string) =>
      NodePeers.skopeo("copy", "--preserve-digests", ...file(name), image, at(repository)),
    copy: (name: string, from: string, to: string) =>
      NodePeers.skopeo("copy", "--preserve-digests", ...file(name), at(from), at(to)),
    digest: (name: string, repository: string) =>
      Effect.map(
        NodePeers.skopeo("inspect", ...file(name), "--format", "{{.Digest}}", at(repository)),
        (digest) => digest.trim()
      )
  }
}

/** Checks the behaviour of any registry with these users and this policy. */
const expectPolicy = (folder: string, image: string, authority: string) =>
  Effect.gen(function*() {
    const { copy, digest, login, push } = skopeo(folder, authority)
    yield* login("alice")
    yield* login("admin")
    expect((yield* Effect.flip(login("bob", "wrong"))).message).toMatch(/invalid username\/password|unauthorized/)
    yield* login("bob")
    yield* push("alice", image, "alice/app")
    expect(yield* digest("alice", "alice/app")).toBe(artifact.descriptor.digest)
    yield* push("admin", image, "public/app")
    yield* copy("alice", "public/app", "alice/copy")
    expect(yield* digest("alice", "alice/copy")).toBe(artifact.descriptor.digest)
    expect(yield* digest("anonymous", "public/app")).toBe(artifact.descriptor.digest)
    const refused = /unauthorized|denied|authentication required|403|not granted/
    expect((yield* Effect.flip(digest("bob", "alice/app"))).message).toMatch(refused)
    expect((yield* Effect.flip(digest("anonymous", "alice/app"))).message).toMatch(refused)
    expect((yield* Effect.flip(push("bob", image, "alice/app"))).message).toMatch(refused)
    expect((yield* Effect.flip(push("bob", image, "public/app"))).message).toMatch(refused)
  })

const push = (name: RepositoryName.RepositoryName) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    yield* images.push(registry, name, artifact, [Tag.make("v1")])
    return (yield* registry.getManifest(name, Tag.make("v1"))).descriptor.digest
  })

/** The client of this project, logged in as a user. */
const client = (authority: string, name: string, ...trustedRealms: ReadonlyArray<string>) =>
  Client.layer({ host: authority, insecure: true, auth: { trustedRealms } }).pipe(
    Layer.provide(
      Credentials.layerStatic({ [authority]: Credential.basic(name, Redacted.make(`${name}-secret`)) })
    ),
    Layer.provide(NodeHttpClient.layerUndici)
  )

describe.runIf(NodePeers.have("docker-registry", "skopeo"))("interop", () => {
  const run = <A, E>(test: Effect.Effect<A, E, NodeContext.NodeContext | Scope.Scope>) =>
    test.pipe(Effect.provide(Layer.merge(NodeContext.layer, Logger.remove(Logger.defaultLogger))))

  it.scopedLive("skopeo logs in, copies and inspects at a server with a guard for names and passwords", () =>
    run(Effect.gen(function*() {
      const { folder, image, users } = yield* prepare
      yield* expectPolicy(folder, image, yield* serve({ guard: Guard.make({ users, policy }) }))
    })))

  it.scopedLive("skopeo logs in, copies and inspects at a server that accepts passwords and tokens", () =>
    run(Effect.gen(function*() {
      const { folder, image, key, users } = yield* prepare
      const names = { issuer: "tokens", service: "registry" }
      const keys = yield* TokenKeys.ring(key)
      const tokens = yield* TokenService.make({ ...names, keys, users, policy })
      const verify = yield* TokenVerifier.make({ issuer: names.issuer, audience: names.service, keys })
      const realm: Guard.Tokens["realm"] = ({ headers }) => `http://${headers["host"]}/token`
      const guard = Guard.make({ users, tokens: { verify, realm, service: names.service }, policy })
      const authority = yield* serve({ guard, mounts: { "/token": tokens.answer } })
      yield* expectPolicy(folder, image, authority)
      const pushed = push(RepositoryName.make("bob/app")).pipe(Effect.provide(client(authority, "bob")))
      expect(yield* pushed).toBe(artifact.descriptor.digest)
    })))

  it.scopedLive("docker-registry accepts the tokens of our token service, from skopeo and from our client", () =>
    run(Effect.gen(function*() {
      const { folder, image, key, users } = yield* prepare
      const names = { issuer: "tokens", service: "registry" }
      const tokens = yield* TokenService.make({ ...names, keys: yield* TokenKeys.ring(key), users, policy })
      const realm = `http://${yield* serve({ mounts: { "/token": tokens.answer } })}/token`
      const { authority } = yield* NodePeers.dockerRegistryWith({
        auth: { token: { ...names, realm, rootcertbundle: join(folder, "token.crt") } }
      })
      yield* expectPolicy(folder, image, authority)
      const clientWithTrustedRealm = client(authority, "bob", realm)
      expect(yield* push(RepositoryName.make("bob/app")).pipe(Effect.provide(clientWithTrustedRealm))).toBe(
        artifact.descriptor.digest
      )
      const error = yield* Effect.flip(
        push(RepositoryName.make("alice/app")).pipe(Effect.provide(clientWithTrustedRealm))
      )
      expect(["OciDenied", "OciUnauthorized"]).toContain(error._tag)
    })))

  it.scopedLive("docker-registry with an htpasswd file accepts our client, and its file works for our guard", () =>
    run(Effect.gen(function*() {
      const { folder } = yield* prepare
      const { authority } = yield* NodePeers.dockerRegistryWith({
        auth: { htpasswd: { realm: "registry", path: join(folder, "users") } }
      })
      const pushed = push(RepositoryName.make("team/app")).pipe(Effect.provide(client(authority, "bob")))
      expect(yield* pushed).toBe(artifact.descriptor.digest)
    })))
})
