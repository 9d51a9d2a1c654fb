import { Registry } from "@effect-oci/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RegistrySource } from "../RegistrySource.js"

/** An object with a registry among several. */
interface Member {
  readonly registry: RegistrySource
}

/** The registries of several sources, in the order of the sources. */
export interface Built extends ReadonlyArray<Registry.Service> {}

export class Members extends Context.Tag("@effect-oci/middleware/Members")<Members, Built>() {}

/** Returns the members with their built registries instead of layers. */
export const built = <M extends Member>(
  all: ReadonlyArray<M>
): Effect.Effect<ReadonlyArray<M & { readonly registry: Registry.Service }>, never, Members> =>
  Effect.map(Members, (registries) => all.map((member, index) => ({ ...member, registry: registries[index]! })))

const one = (source: RegistrySource): Layer.Layer<Members, unknown, unknown> =>
  "handle" in source
    ? Layer.succeed(Members, [source])
    : Layer.map(source, (context) => Context.make(Members, [Context.get(context, Registry)]))

/**
 * Builds the registries of all sources. A layer that is also used elsewhere is built once. A layer that is provided to
 * one source (such as credentials) is not visible to the others.
 */
export const layer = (sources: ReadonlyArray<RegistrySource>): Layer.Layer<Members, unknown, unknown> =>
  sources.map(one).reduce(
    (all, member) =>
      Layer.zipWith(
        all,
        member,
        (some, other) => Context.make(Members, [...Context.get(some, Members), ...Context.get(other, Members)])
      ),
    Layer.succeed(Members, []) as Layer.Layer<Members, unknown, unknown>
  )
