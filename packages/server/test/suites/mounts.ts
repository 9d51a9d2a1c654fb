import { Body } from "@effect-oci/core"
import type { Wire } from "@effect-oci/protocol"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"
import { challenged, guardedBy } from "./guarding.js"

export const mounts = (composition: Composition) => {
  const guarded = guardedBy(composition)

  describe("mounts", () => {
    const echo = ({ body, headers, method, target }: Wire.Request): Effect.Effect<Wire.Response> =>
      Effect.map(
        Effect.orDie(Body.toBytes(body ?? Body.empty, { limit: 100, onLimit: () => new Error("too much") })),
        (bytes) => ({
          status: 200,
          headers: { "content-type": headers["content-type"] ?? "text/plain" },
          body: Body.bytes(new TextEncoder().encode(`${method} ${target} ${new TextDecoder().decode(bytes)}`))
        })
      )

    it.scoped("answer only their own paths, before the guard", () =>
      Effect.gen(function*() {
        const { ask } = yield* guarded({ mounts: { "/token": echo, "/.well-known/jwks.json": echo } })
        check(yield* ask({ path: "/token?scope=a%20b" }), { status: 200, body: "GET /token?scope=a%20b " })
        check(yield* ask({ method: "POST", path: "/token", body: "a=b" }), { status: 200, body: "POST /token a=b" })
        check(yield* ask({ path: "/.well-known/jwks.json" }), { status: 200 })
        check(yield* ask({ method: "HEAD", path: "/token" }), {
          status: 200,
          headers: { "content-length": "12" },
          body: ""
        })
        for (const path of ["/token/", "/tokens", "/", "/Token"]) check(yield* ask({ path }), { status: 404 })
        check(yield* ask({ path: "/v2/" }), challenged)
      }))

    it.scoped("that break are answered for", () =>
      Effect.gen(function*() {
        const { ask } = yield* start(composition, {
          mounts: {
            "/a": () => Effect.die("broken"),
            "/b": () => {
              throw new Error("broken")
            }
          }
        })
        for (const path of ["/a", "/b"]) check(yield* ask({ path }), { status: 500, code: "UNKNOWN" })
      }))
  })
}
