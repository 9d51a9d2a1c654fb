import { Registry } from "@effect-oci/core"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** A registry among several: there already, or to be built. */
export type Source = Registry.Service | Layer.Layer<Registry, unknown, unknown>

/** What has a registry among several. */
export interface Member {
  readonly registry: Source
}

/** How the layers of members fail. */
export type ErrorOf<M extends Member> = M["registry"] extends infer S
  ? S extends Layer.Layer<infer _A, infer E, infer _R> ? E : never
  : never

/** What the layers of members need. */
export type RequirementsOf<M extends Member> = M["registry"] extends infer S
  ? S extends Layer.Layer<infer _A, infer _E, infer R> ? R : never
  : never

/** The registries of several sources, in their order. */
export interface Built extends ReadonlyArray<Registry.Service> {}

export class Members extends Context.Tag("@effect-oci/middleware/Members")<Members, Built>() {}

const one = (source: Source): Layer.Layer<Members, unknown, unknown> =>
  "handle" in source
    ? Layer.succeed(Members, [source])
    : Layer.map(source, (context) => Context.make(Members, [Context.get(context, Registry)]))

/** Each is built once, also where it is used elsewhere. What one is built with (credentials) the others do not get. */
export const layer = (sources: ReadonlyArray<Source>): Layer.Layer<Members, unknown, unknown> =>
  sources.map(one).reduce(
    (all, member) =>
      Layer.zipWith(
        all,
        member,
        (some, other) => Context.make(Members, [...Context.get(some, Members), ...Context.get(other, Members)])
      ),
    Layer.succeed(Members, []) as Layer.Layer<Members, unknown, unknown>
  )
