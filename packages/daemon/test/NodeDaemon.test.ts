import { Policy, TokenKeys } from "@effect-oci/guard"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { NodeContext } from "@effect/platform-node"
import { expect, it, vi } from "@effect/vitest"
import { ConfigError, Context, Deferred, Duration, Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import type { Health } from "../src/index.js"
import { Settings } from "../src/index.js"
import * as NodeDaemon from "../src/NodeDaemon.js"

const status = (authority: string, path: string) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${authority}${path}`, { headers: { connection: "close" } })
    await response.text()
    return response.status
  })

/** Serves a registry in memory. Returns its address, and an effect that stops it. */
const serving = (options: { readonly drain: Duration.Duration; readonly ready: Health.Checks }) =>
  Effect.gen(function*() {
    const settings = yield* Settings.read(NodeDaemon.tables, { environment: { CONFIG: "/dev/null" } })
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      NodeDaemon.layer({
        settings: { ...settings, server: { ...settings.server, port: 0, drain: options.drain } },
        secrets: {
          tokenKeys: yield* TokenKeys.ring(yield* TokenKeys.generate()),
          uploadKey: Redacted.make("0123456789abcdef")
        },
        policy: Policy.authenticated,
        ready: options.ready
      }).pipe(Layer.provide(Memory.layer())),
      scope
    )
    return {
      authority: Context.get(context, NodeRegistryServer.Address).authority,
      stop: Scope.close(scope, Exit.void)
    }
  }).pipe(Effect.provide(Layer.merge(NodeContext.layer, Logger.remove(Logger.defaultLogger))))

it.live("reports that it is not ready before it stops, and serves meanwhile", () =>
  Effect.gen(function*() {
    const { authority, stop } = yield* serving({ drain: Duration.millis(500), ready: {} })
    expect(yield* status(authority, "/readyz")).toBe(200)
    const stopping = yield* Effect.fork(stop)
    yield* Effect.sleep(100)
    expect(yield* status(authority, "/readyz")).toBe(503)
    expect(yield* status(authority, "/healthz")).toBe(200)
    expect(yield* status(authority, "/v2/")).toBe(200)
    yield* stopping
  }))

it.live("is alive but not ready while a part that it depends on fails", () =>
  Effect.gen(function*() {
    const database = Effect.fail(new Error("no connection"))
    const { authority, stop } = yield* serving({ drain: Duration.zero, ready: { database } })
    expect(yield* status(authority, "/readyz")).toBe(503)
    expect(yield* status(authority, "/healthz")).toBe(200)
    yield* stop
  }))

it.scopedLive.each([
  { name: "a failure", layer: Layer.fail(new Error("no place")), expected: /^registry: no place$/ },
  {
    name: "a configuration error, with the setting",
    layer: Layer.fail(ConfigError.InvalidData(["PORT"], "not a port")),
    expected: /^registry: .*PORT.*not a port/
  },
  {
    name: "a defect, with its stack",
    layer: Layer.die(new Error("a bug")),
    expected: /^registry: Error: a bug\n\s+at /
  }
])("run prints $name, and exits with 1", ({ expected, layer }) =>
  Effect.gen(function*() {
    const exited = yield* Deferred.make<unknown>()
    const printed = yield* Effect.acquireRelease(
      Effect.sync(() => {
        vi.spyOn(process, "exit").mockImplementation((code) =>
          Deferred.unsafeDone(exited, Effect.succeed(code)) as never
        )
        return vi.spyOn(console, "error").mockImplementation(() => {})
      }),
      () => Effect.sync(() => vi.restoreAllMocks())
    )
    NodeDaemon.run({
      name: "registry",
      settings: Settings.read(NodeDaemon.tables, { environment: { CONFIG: "/dev/null" } }),
      layer: (): Layer.Layer<NodeRegistryServer.Address, Error | ConfigError.ConfigError> => layer,
      place: () => "memory"
    })
    expect(yield* Deferred.await(exited)).toBe(1)
    expect(printed.mock.calls).toEqual([[expect.stringMatching(expected)]])
  }))
