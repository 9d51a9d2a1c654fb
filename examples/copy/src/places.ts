/** What a source or a target may be: a reference, an image layout, an archive of one. */
import { Reference, Registry, SyntaxInvalid, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { Resolver } from "@effect-oci/resolver"
import { LayoutTar, OciLayout } from "@effect-oci/transfer"
import type { Copy } from "@effect-oci/transfer"
import { Context, Effect, Either, Layer, Stream } from "effect"
import type { Scope } from "effect"

export type Place =
  | { readonly _tag: "Registry"; readonly reference: Reference.Reference }
  | { readonly _tag: "Layout" | "Archive"; readonly path: string; readonly tag: Tag.Tag | undefined }

const schemes = { "oci:": "Layout", "oci-archive:": "Archive" } as const

/** `PATH[:TAG]`: what comes after the last colon is a tag where it can be one. */
const onDisk = (kind: "Layout" | "Archive", text: string): Either.Either<Place, SyntaxInvalid> => {
  const [, path = text, name] = /^(.*?)(?::([^:/]+))?$/.exec(text) ?? []
  if (path === "") {
    return Either.left(new SyntaxInvalid({ expected: "reference", text, reason: "a path is missing after the colon" }))
  }
  return name === undefined
    ? Either.right({ _tag: kind, path, tag: undefined })
    : Either.map(Tag.parse(name), (tag) => ({ _tag: kind, path, tag }))
}

export const parse = (text: string): Either.Either<Place, SyntaxInvalid> => {
  for (const [scheme, kind] of Object.entries(schemes)) {
    if (text.startsWith(scheme)) return onDisk(kind, text.slice(scheme.length))
  }
  return Either.map(Reference.parseFamiliar(text.replace(/^docker:\/\//, "")), (reference) => ({
    _tag: "Registry",
    reference
  }))
}

/** The one manifest that a layout is about, where nothing says which. */
const onlyOf = (registry: Registry["Type"], path: string) =>
  Effect.flatMap(
    Stream.runCollect(registry.listTags(OciLayout.repository, { limit: 2 })),
    (tags): Effect.Effect<Tag.Tag, SyntaxInvalid> => {
      const [only, other] = tags
      return only !== undefined && other === undefined ? Effect.succeed(only) : Effect.fail(
        new SyntaxInvalid({
          expected: "reference",
          text: path,
          reason: only === undefined
            ? "nothing in it has a tag"
            : `it has several tags: say which, as in ${path}:${only}`
        })
      )
    }
  )

const built = <E>(layer: Layer.Layer<Registry, E>) => Effect.map(Layer.build(layer), Context.get(Registry))

export const source = (place: Place) =>
  Effect.gen(function*() {
    if (place._tag === "Registry") {
      const { digest, registry: host, repository, tag } = place.reference
      const registry = yield* (yield* Resolver.Resolver).registry(host)
      return { registry, host, repository, reference: digest ?? tag! }
    }
    const { repository } = OciLayout
    const registry = yield* built(
      place._tag === "Layout" ? OciLayout.layer(place.path) : LayoutTar.layer(place.path)
    )
    return { registry, repository, reference: place.tag ?? (yield* onlyOf(registry, place.path)) }
  })

/** Runs a copy into a place, which is complete when it has ended: an archive is written then. */
export const into = <A, E, R>(
  place: Place,
  copy: (target: Copy.Target) => Effect.Effect<A, E | RegistryError.RegistryError, R | Scope.Scope>
) => {
  if (place._tag === "Registry") {
    const { registry: host, repository, tag } = place.reference
    return Effect.flatMap(
      Resolver.Resolver,
      (resolver) =>
        Effect.flatMap(
          resolver.registry(host),
          (registry) => copy({ registry, host, repository, ...(tag === undefined ? {} : { tags: [tag] }) })
        )
    )
  }
  const { repository } = OciLayout
  const run = Effect.flatMap(
    Registry,
    (registry) => copy({ registry, repository, ...(place.tag === undefined ? {} : { tags: [place.tag] }) })
  )
  return place._tag === "Layout"
    ? Effect.provide(run, OciLayout.layer(place.path, { create: true }))
    : LayoutTar.write(place.path, run)
}
