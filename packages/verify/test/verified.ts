/** Shared by the tests of `Verify`: a registry in memory behind the wrapper. */
import type { Handler, Middleware, Operation } from "@effect-oci/core"
import { ReferenceSet, Registry, RegistryError } from "@effect-oci/core"
import { Memory } from "@effect-oci/store"
import { expect } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Requirement } from "../src/index.js"
import { Cosign, Sign, Verify } from "../src/index.js"
import { repository } from "./images.js"

export const memory = Effect.map(Layer.build(Memory.layer()), Context.get(Registry))

/** A registry in memory, the same behind the wrapper, and the operations that arrive at it. */
export const setUp = (
  options: Partial<Verify.Options> & { readonly require?: ReadonlyArray<Requirement.Requirement> } = {},
  between: Middleware.Middleware = (next) => next
) =>
  Effect.gen(function*() {
    const registry = yield* memory
    const { privateKey, publicKey } = yield* Sign.keyPair
    const seen: Array<Operation.Operation> = []
    const counted: Handler.Handler = (operation) => {
      seen.push(operation)
      return registry.handle(operation)
    }
    const { require = [Cosign.key(publicKey)], ...others } = options
    const middleware = yield* Verify.middleware({
      policies: [{ name: "signed", select: ReferenceSet.all, require }],
      unselected: "deny",
      ...others
    })
    const verified = Registry.fromHandler(middleware(between(counted)))
    const upstream = Layer.succeed(Registry, registry)
    const at = <A, E>(effect: Effect.Effect<A, E, Registry>) => Effect.provide(effect, upstream)
    const sign = (reference: Operation.TagOrDigest, format: "tag" | "bundle" = "bundle") =>
      at(Sign.cosign({ repository, reference, key: privateKey, format }))
    const get = (reference: Operation.TagOrDigest) =>
      Effect.map(verified.getManifest(repository, reference), ({ descriptor }) => descriptor.digest)
    const head = (reference: Operation.TagOrDigest) =>
      Effect.map(verified.resolveManifest(repository, reference), ({ digest }) => digest)
    return { at, get, head, registry, seen, sign, verified }
  })

/** Expects a denial, and returns its reason. */
export const denied = <A>(effect: Effect.Effect<A, RegistryError.RegistryError>) =>
  Effect.map(Effect.flip(effect), (error) => {
    expect(error._tag).toBe("OciDenied")
    return RegistryError.reason(error)
  })
