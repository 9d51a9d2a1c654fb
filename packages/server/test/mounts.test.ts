import { Registry } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { RegistryServer } from "../src/index.js"

const answer = () => Effect.die("never asked")

it.effect.each(["/v2", "/v2/", "/v2/team/app/tags/list", "/token?x=1", "/token#x"] as const)(
  "nothing is mounted in the distribution API, nor at a path that is none: %s",
  (path) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      expect(() => RegistryServer.make({ mounts: { [path]: answer } })(handle)).toThrow(`cannot mount at ${path}`)
    }).pipe(Effect.provide(Memory.layer()))
)
