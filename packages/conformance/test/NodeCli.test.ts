import { Registry } from "@effect-oci/core"
import { NodeRegistryServer } from "@effect-oci/server"
import { Memory } from "@effect-oci/store"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Console, Effect, Layer, Logger } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { checks } from "../src/Conformance.js"
import * as Mutants from "../src/Mutants.js"
import * as NodeCli from "../src/NodeCli.js"

/** What the program writes, and its exit code. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const out: Array<string> = []
    const err: Array<string> = []
    const write = (lines: Array<string>) => (...texts: ReadonlyArray<unknown>) =>
      Effect.sync(() => void lines.push(texts.map(String).join(" ")))
    const console: Console.Console = { ...(yield* Effect.console), log: write(out), error: write(err) }
    const exitCode = yield* NodeCli.run(["node", "bin.js", ...args]).pipe(
      Console.withConsole(console),
      Effect.provide(Layer.merge(NodeContext.layer, NodeHttpClient.layerUndici))
    )
    return { exitCode, out: out.join("\n"), err: err.join("\n") }
  })

/** A registry on a port, which breaks the rule of a mutant, or none. */
const serve = (mutant?: string): Effect.Effect<string, never, Scope.Scope> => {
  const middleware = Mutants.all.find(({ id }) => id === mutant)?.middleware
  const memory = Memory.layer()
  const registry = middleware === undefined ? memory : memory.pipe(Registry.wrap(middleware))
  return Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provide(registry))).pipe(
    Effect.provide(Logger.remove(Logger.defaultLogger)),
    Effect.orDie,
    Effect.flatMap((context) =>
      Effect.provide(Effect.map(NodeRegistryServer.Address, ({ authority }) => `http://${authority}`), context)
    )
  )
}

/** A server that answers everything with a status, or never. */
const answering = (status?: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((_, response) => {
          if (status !== undefined) response.writeHead(status).end()
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

describe("effect-oci-conformance", () => {
  it.scopedLive("a registry that keeps all rules", () =>
    Effect.gen(function*() {
      const { err, exitCode, out } = yield* run(yield* serve(), "--spec", "dev", "--strict")
      expect(out).toMatch(/^Determining Support: 2 passed, 0 failed, 0 skipped\n {2}ok {3}must {3}base \[1\]: /)
      expect(out).toMatch(new RegExp(`\nall    ${checks.length - 1} passed, 0 failed, 1 skipped\n$`))
      expect({ err, exitCode }).toEqual({ err: "", exitCode: 0 })
    }))

  it.scopedLive("a registry that breaks a must", () =>
    Effect.gen(function*() {
      const { exitCode, out } = yield* run(yield* serve("delete-tag-ignored"))
      expect(out).toMatch(
        /\n {2}FAIL must {3}delete-tag \[95\]: .*\n {14}GET \/v2\/.*: expected status 404, got status 200/
      )
      expect(exitCode).toBe(1)
    }))

  it.scopedLive.each([
    { name: "unless it is strict", args: [], exitCode: 0 },
    { name: "and it is strict", args: ["--strict"], exitCode: 1 }
  ])("a registry that breaks a should, $name", ({ args, exitCode }) =>
    Effect.gen(function*() {
      const told = yield* run(...args, yield* serve("manifest-ambiguous-taken"))
      expect(told.out).toMatch(/\n {2}FAIL should manifest-ambiguous /)
      expect(told.exitCode).toBe(exitCode)
    }))

  it.scopedLive("as JSON, without what it is known not to do, and what is skipped with its reason", () =>
    Effect.gen(function*() {
      const url = yield* serve("delete-tag-ignored")
      const args = ["--json", "--without", "deleteTag, referrers", "--without", "sha512", "--skip", "tags=not now"]
      const { exitCode, out } = yield* run(url, ...args)
      const report = JSON.parse(out)
      const reasons = Object.fromEntries(
        report.checks.map(({ id, reason }: { id: string; reason?: string }) => [id, reason])
      )
      expect(reasons).toMatchObject({
        tags: "not now",
        "delete-tag": "the registry does not do: deleteTag",
        referrers: "the registry does not do: referrers",
        "manifest-put-sha512": "the registry does not do: sha512",
        "manifest-digest-header": "asked only by the spec after 1.1"
      })
      expect(report.failed).toBe(0)
      expect(exitCode).toBe(0)
    }))

  it.scopedLive("repositories begin with the namespace, and nothing is left in them", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      expect((yield* run(url, "--namespace", "team/checks", "--json")).exitCode).toBe(0)
      const ask = (path: string) => Effect.promise(() => fetch(`${url}${path}`).then((response) => response.json()))
      const { repositories } = (yield* ask("/v2/_catalog?n=1000")) as { readonly repositories: ReadonlyArray<string> }
      expect(repositories.length).toBeGreaterThan(100)
      expect(repositories.filter((name) => !name.startsWith("team/checks/"))).toEqual([])
      const left = yield* Effect.filter(repositories, (name) =>
        Effect.map(ask(`/v2/${name}/tags/list`), ({ tags }) => (tags as ReadonlyArray<string>).length > 0))
      expect(left).toEqual([])
    }))

  it.scopedLive.each([
    {
      name: "no URL",
      args: ["nonsense"],
      says: "\"nonsense\" is not the URL of a registry, such as http://localhost:5000"
    },
    {
      name: "another scheme",
      args: ["ftp://localhost"],
      says: "\"ftp://localhost\" is not the URL of a registry, such as http://localhost:5000"
    },
    {
      name: "a path",
      args: ["http://localhost/foo"],
      says: "\"http://localhost/foo\" has a path: the paths of a registry begin with /v2/, wherever it is"
    },
    { name: "credentials", args: ["http://a:b@localhost"], says: "a URL with credentials: they are not sent" },
    {
      name: "nobody there",
      args: ["http://127.0.0.1:1"],
      says: "no registry answers at http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1"
    },
    {
      name: "no capability",
      args: ["--without", "push,fly", "http://127.0.0.1:1"],
      says: /^--without fly: it is one or more of push,deleteBlob,/
    },
    {
      name: "no check",
      args: ["--skip", "fly=too high", "http://127.0.0.1:1"],
      says: "--skip fly: there is no check of that id"
    },
    {
      name: "no namespace",
      args: ["--namespace", "A", "http://127.0.0.1:1"],
      says: /^--namespace: invalid repository name "A": /
    },
    {
      name: "no version",
      args: ["--spec", "2", "http://127.0.0.1:1"],
      says: /^Expected one of the following cases: 1\.1, dev$/
    },
    { name: "no argument", args: [], says: /^Missing argument <url>$/ }
  ])("says in a line what is wrong: $name", ({ args, says }) =>
    Effect.gen(function*() {
      const { err, exitCode, out } = yield* run(...args)
      const line = err.trim()
      if (typeof says === "string") expect(line).toBe(says)
      else expect(line).toMatch(says)
      expect(line).not.toContain("\n")
      expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" })
    }))

  it.scopedLive.each([
    { status: 401, says: "wants credentials, which are not sent" },
    { status: 404, says: "GET /v2/ is answered with 404" }
  ])("says in a line what answers instead of a registry: $status", ({ says, status }) =>
    Effect.gen(function*() {
      const { err, exitCode } = yield* run(yield* answering(status))
      expect(err).toContain(says)
      expect(exitCode).toBe(2)
    }))
})
