import { Registry, RepositoryName } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as Pages from "@effect-oci/store/Pages"
import * as Copy from "@effect-oci/transfer/Copy"
import * as NodeLayoutImages from "@effect-oci/transfer/NodeLayoutImages"
import * as NodeLayoutTar from "@effect-oci/transfer/NodeLayoutTar"
import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { mkdirSync, readdirSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { Refused } from "./refused.js"
import * as terminal from "./terminal.js"

/** The number of items in one call of the metadata store. */
export const pageSize = 1000

const isTag = (reference: Operation.TagOrDigest) => !reference.includes(":")

/** Returns `2 tags`, or `2 tags and 1 manifest without a tag`. */
const summaryOf = (references: ReadonlyArray<Operation.TagOrDigest>) => {
  const tags = references.filter(isTag).length
  const untagged = references.length - tags
  return terminal.count(tags, "tag") +
    (untagged === 0 ? "" : ` and ${terminal.count(untagged, "manifest")} without a tag`)
}

/** Returns the references of all manifests of a repository: the tags, and the digests of manifests without a tag. */
const references = (repository: RepositoryName.RepositoryName) =>
  Effect.gen(function*() {
    const metadata = yield* MetadataStore.MetadataStore
    const tagged = new Set<string>()
    const all: Array<Operation.TagOrDigest> = []
    yield* Stream.runForEach(
      Pages.stream(
        (after: MetadataStore.StoredTag["tag"] | undefined, n) => metadata.inspectTags(repository, after, n),
        ({ tag }) => tag,
        pageSize
      ),
      ({ digest, tag }) => {
        tagged.add(digest)
        return Effect.sync(() => all.push(tag))
      }
    )
    yield* Stream.runForEach(
      Pages.stream(
        (after: MetadataStore.StoredManifest["descriptor"]["digest"] | undefined, n) =>
          metadata.inspectManifests(repository, after, n),
        ({ descriptor }) => descriptor.digest,
        pageSize
      ),
      ({ descriptor: { digest } }) => Effect.sync(() => tagged.has(digest) || all.push(digest))
    )
    return all
  })

/** Copies content from a repository to another one, with all that belongs to it. */
const copyAll = (
  from: { readonly registry: Registry["Type"]; readonly repository: RepositoryName.RepositoryName },
  to: { readonly registry: Registry["Type"]; readonly repository: RepositoryName.RepositoryName },
  wanted: ReadonlyArray<Operation.TagOrDigest>,
  show: (text: string) => Effect.Effect<void>
) =>
  Effect.forEach(wanted, (reference, index) =>
    Effect.zipRight(
      show(`copying ${from.repository}: ${index + 1} of ${wanted.length}`),
      Copy.copy({ ...from, reference }, to)
    ), { discard: true })

/** Writes each repository as a layout below a folder, or as an archive of a layout. */
export const exportTo = (
  target: string,
  options: { readonly archive: boolean; readonly repositories: ReadonlyArray<RepositoryName.RepositoryName> }
) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const metadata = yield* MetadataStore.MetadataStore
    const { show } = yield* terminal.progress
    const repositories = options.repositories.length > 0
      ? Stream.fromIterable(options.repositories)
      : Pages.stream(metadata.listRepositories, (name: RepositoryName.RepositoryName) => name, pageSize)
    yield* Stream.runForEach(repositories, (repository) =>
      Effect.gen(function*() {
        const wanted = yield* Effect.catchTag(
          references(repository),
          "OciStoreRepositoryUnknown",
          () => new Refused({ message: `cannot export ${repository}: the registry has no repository with this name` })
        )
        if (wanted.length === 0) return
        const path = join(target, repository) + (options.archive ? ".tar" : "")
        const copied = Effect.flatMap(
          Registry,
          (layout) =>
            copyAll({ registry, repository }, { registry: layout, repository: NodeOciLayout.repository }, wanted, show)
        )
        yield* Effect.sync(() => mkdirSync(dirname(path), { recursive: true }))
        yield* options.archive
          ? NodeLayoutTar.write(path, copied)
          : Effect.provide(copied, NodeOciLayout.layer(path, { create: true }))
        yield* Console.log(`${repository}: ${summaryOf(wanted)} written to ${path}`)
      }))
  })

interface Found {
  readonly path: string
  readonly isArchive: boolean
}

/** Finds the layouts and the archives below a path. */
const find = (path: string): ReadonlyArray<Found> => {
  if (statSync(path).isFile()) return [{ path, isArchive: true }]
  const entries = readdirSync(path, { withFileTypes: true }).sort((one, other) => one.name < other.name ? -1 : 1)
  const nested = entries.flatMap((entry) => {
    const child = join(path, entry.name)
    if (entry.isFile()) return entry.name.endsWith(".tar") ? [{ path: child, isArchive: true }] : []
    return entry.isDirectory() ? find(child) : []
  })
  return entries.some(({ name }) => name === "oci-layout")
    ? [{ path, isArchive: false }, ...nested.filter((found) => !relative(path, found.path).startsWith("blobs"))]
    : nested
}

/** The repository of a layout: the one that is given, or the path below the folder that `export` wrote. */
const repositoryOf = (source: string, { isArchive, path }: Found, given: RepositoryName.RepositoryName | undefined) => {
  if (given !== undefined) return Effect.succeed(given)
  const name = relative(source, isArchive ? path.replace(/\.tar$/, "") : path)
  return Either.mapLeft(
    RepositoryName.parse(name),
    () =>
      new Refused({
        message: `cannot import ${path}: its path is not the name of a repository; name it with --repository`
      })
  )
}

/** A layout or an archive, and the repository that it is pushed to. */
interface Source extends Found {
  readonly repository: RepositoryName.RepositoryName
}

/** Finds the layouts and the archives to import. */
export const sourcesOf = (
  source: string,
  given: RepositoryName.RepositoryName | undefined
): Effect.Effect<ReadonlyArray<Source>, Refused> =>
  Effect.gen(function*() {
    const found = yield* Effect.try({
      try: () => find(source),
      catch: (error) => new Refused({ message: `cannot import ${source}: ${(error as Error).message}` })
    })
    if (found.length === 0) {
      return yield* new Refused({ message: `cannot import ${source}: it contains no layout and no archive (.tar)` })
    }
    if (found.length > 1 && given !== undefined) {
      return yield* new Refused({
        message: `cannot import ${source} as ${given}: it contains ${found.length} layouts; name one of them`
      })
    }
    return yield* Effect.forEach(
      found,
      (each) => Effect.map(repositoryOf(source, each, given), (repository) => ({ ...each, repository }))
    )
  })

/** Pushes the content of layouts and archives. */
export const importFrom = (sources: ReadonlyArray<Source>) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const { show } = yield* terminal.progress
    for (const each of sources) {
      const { repository } = each
      yield* Effect.scoped(Effect.gen(function*() {
        const path = each.isArchive ? yield* NodeLayoutTar.unpacked(each.path) : each.path
        const images = yield* NodeLayoutImages.list(path)
        const wanted = images.map(({ digest, tag }) => tag ?? digest)
        const layout = yield* Effect.provide(Registry, NodeOciLayout.layer(path))
        yield* copyAll(
          { registry: layout, repository: NodeOciLayout.repository },
          { registry, repository },
          wanted,
          show
        )
        yield* Console.log(`${repository}: ${summaryOf(wanted)} read from ${each.path}`)
      }))
    }
  })
