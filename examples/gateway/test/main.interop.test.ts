/** Runs skopeo against the gateway, which runs as a program in front of docker-registry. */
import { Client } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import * as images from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import * as Command from "@effect/platform/Command"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"
import * as example from "./example.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const tsc = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url))

/** The build takes half a minute in a clean clone, and a second after that. */
const build = (): void => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-b", root], { encoding: "utf8" })
  if (status !== 0) throw new Error(stdout)
}

/** Runs the gateway with some settings, on any free port, until the scope closes. */
const run = (settings: { readonly [name: string]: string }) =>
  Effect.gen(function*() {
    const program = Command.make(process.execPath, join(root, "dist/main.js"))
    const running = yield* Command.start(Command.env(program, { PORT: "0", ...settings }))
    const written = { out: "", log: "" }
    const keep = (name: "out" | "log", stream: typeof running.stdout) =>
      Stream.runForEach(Stream.decodeText(stream), (text) =>
        Effect.sync(() => {
          written[name] += text
        }))
    yield* Effect.forkScoped(keep("out", running.stdout))
    yield* Effect.forkScoped(keep("log", running.stderr))
    const authority = yield* Effect.suspend(() => {
      const found = /serving on http:\/\/(\S+)/.exec(written.out)?.[1]
      return found === undefined ? Effect.fail(`it does not serve: ${written.log}`) : Effect.succeed(found)
    }).pipe(Effect.retry(Schedule.spaced("20 millis")), Effect.timeout("20 seconds"))
    return { authority, running, log: () => written.log }
  })

describe.runIf(NodePeers.have("docker-registry", "skopeo"))("the gateway", () => {
  beforeAll(build, 120_000)

  it.scopedLive("lets skopeo push and pull as a user, and refuses to move tags", () =>
    Effect.gen(function*() {
      const folder = yield* example.folder
      const upstream = yield* NodePeers.dockerRegistry
      const gateway = yield* run({ UPSTREAM: `http://${upstream.authority}`, USERS: join(folder, "users") })
      const layouts = { one: join(folder, "one"), other: join(folder, "other") }
      yield* images.writeLayoutTo(layouts.one, images.image([1024]))
      yield* images.writeLayoutTo(layouts.other, images.image([2048]))

      const at = (name: string) => `docker://${gateway.authority}/${name}`
      const creds = (name: string) => `${name}:${name}-secret`
      const push = (name: string, layout: string, to: string) =>
        NodePeers.skopeo("copy", "--preserve-digests", "--dest-creds", creds(name), `oci:${layout}:v1`, at(to))
      const inspect = (name: string, from: string) =>
        Effect.map(NodePeers.skopeo("inspect", "--creds", creds(name), "--format", "{{.Digest}}", from), (text) =>
          text.trim())
      const refused = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.flip(effect), ({ message }) =>
          message)

      yield* push("alice", layouts.one, "alice/app:v1")
      const digest = yield* inspect("alice", `oci:${layouts.one}:v1`)
      expect(yield* inspect("alice", at("alice/app:v1"))).toBe(digest)

      // The upstream registry has the image under the same name.
      const client = Client.layer({ host: upstream.authority, insecure: true })
      const registry = Context.get(yield* Layer.build(client), Registry)
      expect(Array.from(yield* Stream.runCollect(registry.listRepositories()))).toEqual(["alice/app"])

      yield* push("alice", layouts.one, "alice/app:v1")
      expect(yield* refused(push("alice", layouts.other, "alice/app:v1"))).toContain("is immutable, and points at")
      yield* push("alice", layouts.one, "alice/app:latest")
      yield* push("alice", layouts.other, "alice/app:latest")
      expect(yield* inspect("alice", at("alice/app:v1"))).toBe(digest)

      expect(yield* refused(inspect("bob", at("alice/app:v1")))).toMatch(/not known|name unknown/)
      expect(yield* refused(push("bob", layouts.one, "alice/app:v2"))).toMatch(/denied/i)
      expect(yield* refused(NodePeers.skopeo("inspect", "--creds", "bob:wrong", at("bob/app:v1"))))
        .toMatch(/unauthorized|authentication required/i)
      expect(yield* inspect("admin", at("alice/app:v1"))).toBe(digest)

      expect(gateway.log()).toMatch(/message=PushManifest .*caller=alice/)
      expect(gateway.log()).not.toContain("-secret")
      yield* gateway.running.kill("SIGTERM")
      expect(yield* Effect.timeout(gateway.running.exitCode, "10 seconds")).toBe(0)
    }).pipe(Effect.provide(Layer.mergeAll(NodeContext.layer, NodeHttpClient.layerUndici))), 120_000)

  it.scopedLive("prints a wrong setting in one line", () =>
    Effect.gen(function*() {
      const folder = yield* example.folder
      const program = Command.make(process.execPath, join(root, "dist/main.js")).pipe(
        Command.env({ USERS: join(folder, "users"), UPSTREAM: "nowhere" }),
        Command.stderr("pipe")
      )
      const running = yield* Command.start(program)
      const written = yield* Stream.mkString(Stream.decodeText(running.stderr))
      expect(written).toMatch(/^gateway: .*UPSTREAM.*\n$/)
      expect(yield* running.exitCode).toBe(1)
    }).pipe(Effect.provide(NodeContext.layer)))
})
