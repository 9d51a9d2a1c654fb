/** Parses and opens the source and the target of a copy: an image in a registry, an image layout or an archive. */
import { Digest, Reference, Registry, SyntaxInvalid, Tag } from "@effect-oci/core"
import type { RegistryError } from "@effect-oci/core"
import { Namespace, Resolver } from "@effect-oci/resolver"
import { Memory } from "@effect-oci/store"
import type { Copy } from "@effect-oci/transfer"
import * as NodeDockerTar from "@effect-oci/transfer/NodeDockerTar"
import * as NodeLayoutImages from "@effect-oci/transfer/NodeLayoutImages"
import * as NodeLayoutTar from "@effect-oci/transfer/NodeLayoutTar"
import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
import { Context, Effect, Either, identity, Layer } from "effect"
import type { Scope } from "effect"
import { existsSync } from "node:fs"

/** A layout or an archive on disk, and the image in it: its tag or name, or its digest. */
interface OnDisk {
  readonly _tag: "Layout" | "Archive" | "Docker"
  readonly path: string
  readonly name: string | undefined
  readonly digest: Digest.Digest | undefined
}

export type Location =
  & { readonly text: string }
  & (
    | { readonly _tag: "Registry"; readonly reference: Reference.Reference }
    | OnDisk
  )

const schemes = { "oci:": "Layout", "oci-archive:": "Archive", "docker-archive:": "Docker" } as const

/** Schemes that other programs support and this one does not. */
const unknown =
  /^(?:dir|docker-daemon|docker-tar|containers-storage|ostree|sif|tarball|atomic|oci-layout|ocidir|file|https?):/

const invalid = (text: string, reason: string) => new SyntaxInvalid({ expected: "reference", text, reason })

/** Parses `PATH[:NAME][@DIGEST]`. The name begins after the first colon, except the colon of a Windows drive. */
const onDisk = (_tag: OnDisk["_tag"], text: string, rest: string): Either.Either<Location, SyntaxInvalid> =>
  Either.gen(function*() {
    const [, before = rest, hash] = /^(.*)@(sha(?:256|512):.*)$/s.exec(rest) ?? []
    const digest = hash === undefined ? undefined : yield* Digest.parse(hash)
    const [, path = "", name] = /^((?:[A-Za-z]:[\\/])?[^:]*)(?::(.*))?$/s.exec(before) ?? []
    if (path === "") return yield* Either.left(invalid(text, "a path is missing after the colon"))
    if (name !== undefined && tagOf(name) === undefined) {
      return yield* Either.left(invalid(text, `"${name}" is neither a tag nor the name of an image`))
    }
    return { _tag, text, path, name, digest }
  })

/** Returns the tag of a name in a layout or an archive. */
const tagOf = (name: string): Tag.Tag | undefined =>
  Tag.is(name) ? name : Either.getOrUndefined(Reference.parseFamiliar(name))?.tag

export const parse = (text: string): Either.Either<Location, SyntaxInvalid> => {
  for (const [scheme, kind] of Object.entries(schemes)) {
    if (text.startsWith(scheme)) return onDisk(kind, text, text.slice(scheme.length))
  }
  const [scheme] = unknown.exec(text) ?? []
  if (scheme !== undefined) {
    return Either.left(invalid(
      text,
      scheme.startsWith("http")
        ? `leave out ${scheme}//; use --plain-http for HTTP`
        : `${scheme} is not supported; use oci:DIR, oci-archive:FILE, docker-archive:FILE or an image of a registry`
    ))
  }
  const reference = Reference.parseFamiliar(text.replace(/^docker:\/\//, ""))
  return Either.map(reference, (reference) => ({ _tag: "Registry", text, reference }))
}

/** Wraps the registry of a layout or an archive, which is not reached over HTTP. */
export interface Explained {
  <E, R>(registry: Layer.Layer<Registry, E, R>, name: string): Layer.Layer<Registry, E, R>
}

const built = <E>(layer: Layer.Layer<Registry, E>) => Effect.map(Layer.build(layer), Context.get(Registry))

/** Returns the folder of a layout, or unpacks an archive and returns the temporary folder. */
const folderOf = ({ _tag, path }: OnDisk) => {
  switch (_tag) {
    case "Layout":
      return Effect.succeed(path)
    case "Archive":
      return NodeLayoutTar.unpacked(path)
    case "Docker":
      return NodeDockerTar.unpacked(path)
  }
}

/**
 * Opens the source of a copy. Returns it with the tags to set if the target has no tag. `explained` wraps the registry of
 * a layout or an archive.
 */
export const source = (location: Location, explained: Explained = identity) =>
  Effect.gen(function*() {
    if (location._tag === "Registry") {
      const { registry: host, repository, tag } = location.reference
      const registry = yield* (yield* Resolver.Resolver).registry(host)
      const reference = yield* Namespace.named("GetManifest", location.reference, registry)
      return { registry, host, repository, reference, tags: tag === undefined ? [] : [tag] }
    }
    const folder = yield* folderOf(location)
    const registry = yield* built(explained(NodeOciLayout.layer(folder), location.text))
    const { digest, tag } = yield* NodeLayoutImages.find(folder, location.digest ?? location.name).pipe(
      Effect.mapError((error) =>
        error._tag === "OciImageNotFound"
          ? new NodeLayoutImages.ImageNotFound({ ...error, layout: location.path })
          : error
      )
    )
    return { registry, repository: NodeOciLayout.repository, reference: digest, tags: tag === undefined ? [] : [tag] }
  })

/** Returns the name of the copied images in an archive of Docker. */
const nameFor = (target: OnDisk, from: Location): string | undefined => {
  const named = target.name === undefined ? undefined : Either.getOrUndefined(Reference.parseFamiliar(target.name))
  const reference = named ?? (from._tag === "Registry" ? from.reference : undefined)
  return reference === undefined ? undefined : `${reference.registry}/${reference.repository}`
}

/** Returns the tag of a name. In an archive of Docker, a name without a tag has the tag `latest`. */
const tagIn = ({ _tag, name }: OnDisk): Tag.Tag | undefined => {
  if (name === undefined) return undefined
  return _tag === "Docker" ? Either.getOrUndefined(Reference.parseFamiliar(name))?.tag : tagOf(name)
}

/**
 * Opens the target of a copy and runs the copy. An archive is written when the copy has succeeded. A dry run creates
 * nothing: it uses an empty registry in location of a layout that does not exist.
 */
export const into = <A, E, R>(
  location: Location,
  options: {
    readonly from: Location
    readonly tags: ReadonlyArray<Tag.Tag>
    readonly dryRun: boolean
    readonly explained?: Explained | undefined
  },
  copy: (target: Copy.Target) => Effect.Effect<A, E | RegistryError.RegistryError, R | Scope.Scope>
) => {
  if (location._tag === "Registry") {
    const { digest, registry: host, repository, tag } = location.reference
    const tags = tag === undefined ? [] : [tag]
    return Effect.flatMap(
      Resolver.Resolver,
      (resolver) =>
        Effect.flatMap(resolver.registry(host), (registry) => copy({ registry, host, repository, tags, digest }))
    )
  }
  const { repository } = NodeOciLayout
  const tag = tagIn(location)
  const run = Effect.flatMap(
    Registry,
    (registry) =>
      copy({ registry, repository, tags: tag === undefined ? options.tags : [tag], digest: location.digest })
  )
  if (options.dryRun) {
    const isThere = location._tag === "Layout" && existsSync(location.path)
    const registry = isThere ? NodeOciLayout.layer(location.path) : Memory.layer()
    return Effect.provide(run, (options.explained ?? identity)(registry, location.text))
  }
  switch (location._tag) {
    case "Layout":
      return Effect.provide(run, NodeOciLayout.layer(location.path, { create: true }))
    case "Archive":
      return NodeLayoutTar.write(location.path, run)
    case "Docker":
      return NodeDockerTar.write(location.path, run, { name: nameFor(location, options.from) })
  }
}
