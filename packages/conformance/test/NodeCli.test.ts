import { Registry } from "@effect-oci/core"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as Mutants from "@effect-oci/testing/Mutants"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Console, Effect, Layer, Logger } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { checks } from "../src/Conformance.js"
import * as NodeCli from "../src/NodeCli.js"

/** Runs the program. Returns its output and its exit code. */
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

/** Serves a registry. With the id of a mutant, the registry has the fault of this mutant. */
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

/** Starts a server that answers every request with a status. Without a status, it never answers. */
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
  it.scopedLive("exits with 0 if every check passes", () =>
    Effect.gen(function*() {
      const { err, exitCode, out } = yield* run(yield* serve(), "--spec", "dev", "--strict")
      expect(out).toMatch(/^Determining Support: 2 passed, 0 failed, 0 skipped\n {2}ok {3}must {3}base \[1\]: /)
      expect(out).toMatch(new RegExp(`\nall    ${checks.length - 1} passed, 0 failed, 1 skipped\n$`))
      expect({ err, exitCode }).toEqual({ err: "", exitCode: 0 })
    }))

  it.scopedLive("exits with 1 and prints the reason if a must check fails", () =>
    Effect.gen(function*() {
      const { exitCode, out } = yield* run(yield* serve("delete-tag-ignored"))
      expect(out).toMatch(
        /\n {2}FAIL must {3}delete-tag \[95\]: .*\n {14}GET \/v2\/.*: expected status 404, got status 200/
      )
      expect(exitCode).toBe(1)
    }))

  it.scopedLive.each([
    { name: "exits with 0 if a should check fails", args: [], exitCode: 0 },
    { name: "exits with 1 if a should check fails and --strict is set", args: ["--strict"], exitCode: 1 }
  ])("$name", ({ args, exitCode }) =>
    Effect.gen(function*() {
      const output = yield* run(...args, yield* serve("manifest-ambiguous-accepted"))
      expect(output.out).toMatch(/\n {2}FAIL should manifest-ambiguous /)
      expect(output.exitCode).toBe(exitCode)
    }))

  it.scopedLive("prints JSON, with the reason for each skipped check", () =>
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
        "delete-tag": "the registry does not support deleteTag",
        referrers: "the registry does not support referrers",
        "manifest-put-sha512": "the registry does not support sha512",
        "manifest-digest-header": "required only after version 1.1 of the spec"
      })
      expect(report.failed).toBe(0)
      expect(exitCode).toBe(0)
    }))

  it.scopedLive("creates repositories only under the namespace, and leaves no tags in them", () =>
    Effect.gen(function*() {
      const url = yield* serve()
      expect((yield* run(url, "--namespace", "team/checks", "--json")).exitCode).toBe(0)
      const getJson = (path: string) => Effect.promise(() => fetch(`${url}${path}`).then((response) => response.json()))
      const { repositories } = (yield* getJson("/v2/_catalog?n=1000")) as {
        readonly repositories: ReadonlyArray<string>
      }
      expect(repositories.length).toBeGreaterThan(100)
      expect(repositories.filter((name) => !name.startsWith("team/checks/"))).toEqual([])
      const left = yield* Effect.filter(
        repositories,
        (name) => Effect.map(getJson(`/v2/${name}/tags/list`), ({ tags }) => (tags as ReadonlyArray<string>).length > 0)
      )
      expect(left).toEqual([])
    }))

  it.scopedLive.each([
    {
      name: "the argument is not a URL",
      args: ["nonsense"],
      message: "\"nonsense\" is not the URL of a registry; pass a URL such as http://localhost:5000"
    },
    {
      name: "the URL is not HTTP",
      args: ["ftp://localhost"],
      message: "\"ftp://localhost\" is not the URL of a registry; pass a URL such as http://localhost:5000"
    },
    {
      name: "the URL has a path",
      args: ["http://localhost/foo"],
      message: "\"http://localhost/foo\" has a path; pass only the scheme, host and port, because the program adds /v2/"
    },
    {
      name: "the URL contains credentials",
      args: ["http://a:b@localhost"],
      message: "the URL contains credentials, which the program cannot send; remove them"
    },
    {
      name: "no server listens",
      args: ["http://127.0.0.1:1"],
      message: "no registry answers at http://127.0.0.1:1 (connect ECONNREFUSED 127.0.0.1:1); check the URL"
    },
    {
      name: "the capability is unknown",
      args: ["--without", "push,fly", "http://127.0.0.1:1"],
      message: /^--without fly: there is no such capability; pass one or more of push,deleteBlob,/
    },
    {
      name: "the check is unknown",
      args: ["--skip", "fly=too high", "http://127.0.0.1:1"],
      message: "--skip fly: there is no check with this id; --json prints the ids of all checks"
    },
    {
      name: "the namespace is invalid",
      args: ["--namespace", "A", "http://127.0.0.1:1"],
      message: /^--namespace: invalid repository name "A": /
    },
    {
      name: "the version of the spec is unknown",
      args: ["--spec", "2", "http://127.0.0.1:1"],
      message: /^Expected one of the following cases: 1\.1, dev$/
    },
    { name: "the argument is missing", args: [], message: /^Missing argument <url>$/ }
  ])("exits with 2 and prints one line if $name", ({ args, message }) =>
    Effect.gen(function*() {
      const { err, exitCode, out } = yield* run(...args)
      const line = err.trim()
      if (typeof message === "string") expect(line).toBe(message)
      else expect(line).toMatch(message)
      expect(line).not.toContain("\n")
      expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" })
    }))

  it.scopedLive.each([
    { status: 401, message: "answered GET /v2/ with 401; the program cannot send credentials" },
    { status: 404, message: "is not a registry: it answered GET /v2/ with 404" }
  ])("exits with 2 if GET /v2/ returns $status", ({ message, status }) =>
    Effect.gen(function*() {
      const { err, exitCode } = yield* run(yield* answering(status))
      expect(err).toContain(message)
      expect(exitCode).toBe(2)
    }))
})
