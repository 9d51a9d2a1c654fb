import { Digest, Operation, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quirky } from "./compositions.js"

const repository = RepositoryName.make("team/app")

const operations = [
  new Operation.ResolveBlob({ repository, digest: Digest.fromBytes(new Uint8Array(1)) }),
  new Operation.ResolveManifest({ repository, reference: Tag.make("v1") })
]

it.effect.each(operations)(
  "the error for a 401 without a body says that no credentials are configured: $_tag",
  (operation) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      const error = yield* Effect.flip(handle(operation))
      expect(error._tag).toBe("OciUnauthorized")
      expect(error.status).toBe(401)
      expect(error.message).toMatch(
        new RegExp(`^${operation._tag} team/app[:@].*: authentication required: no credentials `)
      )
    }).pipe(Effect.provide(quirky(Memory.layer(), { unauthorizedHead: true })))
)
