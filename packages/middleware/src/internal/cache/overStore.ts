import { Registry } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { RegistrySource } from "../../RegistrySource.js"
import * as members from "../members.js"

/** Creates a layer that wraps the registry in the context with a cache, whose store is a member that is built. */
export const overStore = <Options extends { readonly store: RegistrySource }>(
  options: Options,
  middleware: (
    options: Omit<Options, "store"> & { readonly store: Registry["Type"] }
  ) => Effect.Effect<Middleware.Middleware, never, Scope.Scope>
) =>
  Layer.scoped(
    Registry,
    Effect.flatMap(
      Effect.all([Registry, members.Members]),
      ([{ handle }, [store]]) =>
        Effect.map(middleware({ ...options, store: store! }), (apply) => Registry.fromHandler(apply(handle)))
    )
  )
