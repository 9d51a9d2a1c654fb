import type { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { HttpApp } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { RegistryServer } from "../src/index.js"

const origin = "https://registry.example"

const ask = (options: RegistryServer.Options, path: string, init?: RequestInit) =>
  Effect.gen(function*() {
    const handler = HttpApp.toWebHandlerRuntime(yield* Effect.runtime<Registry>())(RegistryServer.app(options))
    return yield* Effect.promise(() => handler(new Request(`${origin}${path}`, init)))
  }).pipe(Effect.provide(Memory.layer()))

describe("RegistryServer.app as a fetch handler, which receives complete URLs", () => {
  it.effect("answers the paths of mounts", () =>
    Effect.gen(function*() {
      const mounted: RegistryServer.Answer = ({ target }) =>
        Effect.succeed({ status: 200, headers: { "x-target": target }, body: undefined })
      const { headers, status } = yield* ask({ mounts: { "/token": mounted } }, "/token?scope=a")
      expect([status, headers.get("x-target")]).toEqual([200, "/token?scope=a"])
    }))

  it.effect("allows the methods of a path to web pages", () =>
    Effect.gen(function*() {
      const { headers } = yield* ask({ cors: { origins: "*" } }, "/v2/team/app/manifests/v1?x=1", {
        method: "OPTIONS",
        headers: { origin: "https://ui.example", "access-control-request-method": "PUT" }
      })
      expect(headers.get("access-control-allow-methods")).toContain("PUT")
    }))

  it.effect("imitates quirks", () =>
    Effect.gen(function*() {
      const { status } = yield* ask({ quirks: { mountStatus: 405 } }, "/v2/team/app/blobs/uploads/?mount=sha256:00", {
        method: "POST"
      })
      expect(status).toBe(405)
    }))

  it.effect("refuses a manifest that is too large with 413, though it arrives in one piece", () =>
    Effect.gen(function*() {
      const { status } = yield* ask({}, "/v2/team/app/manifests/v1", {
        method: "PUT",
        headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
        body: new Uint8Array(20 * 1024 * 1024)
      })
      expect(status).toBe(413)
    }))
})
