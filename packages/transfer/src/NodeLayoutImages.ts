/**
 * Lists the images of an OCI image layout, and finds one by its name, tag or digest.
 *
 * @since 0.1.0
 */
import { Digest, printable, Reference } from "@effect-oci/core"
import type { Tag } from "@effect-oci/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as digestTags from "./internal/digestTags.js"
import * as index from "./internal/node/layoutIndex.js"
import type { LayoutInvalid } from "./internal/node/layoutInvalid.js"
import * as reader from "./internal/node/layoutReader.js"

/**
 * An image that the index of a layout lists.
 *
 * @since 0.1.0
 * @category models
 */
export interface Image {
  readonly digest: Digest.Digest
  readonly tag: Tag.Tag | undefined
  /** The whole reference (`io.containerd.image.name`) if the index has one, or else its short name. */
  readonly name: string | undefined
}

/**
 * The error if no image, or more than one image, matches the request. `names` contains the names of the images to choose
 * from.
 *
 * @since 0.1.0
 * @category errors
 */
export class ImageNotFound extends Data.TaggedError("OciImageNotFound")<{
  readonly layout: string
  readonly wanted: string | undefined
  readonly reason: string
  readonly names: ReadonlyArray<string>
}> {
  override get message(): string {
    const wanted = this.wanted === undefined ? "an image" : `"${printable(this.wanted, 200)}"`
    return `cannot find ${wanted} in ${printable(this.layout)}: ${printable(this.reason)}`
  }
}

interface Line extends Image {
  readonly isReferrer: boolean
}

const linesOf = (path: string): Effect.Effect<ReadonlyArray<Line>, LayoutInvalid> =>
  Effect.map(
    reader.read(path),
    ({ entries }) =>
      index.roots(entries).flatMap(({ content, descriptor: { digest }, listings }) =>
        listings.map((listing) => ({
          digest,
          tag: index.tagFor(listing),
          name: index.nameOf(listing),
          isReferrer: Either.isRight(content) && "subject" in content.right.document &&
            content.right.document.subject !== undefined
        }))
      )
  )

/** Returns `false` for signatures and other referrers, and for tags that are made from digests. */
const isImage = ({ isReferrer, name, tag }: Line): boolean =>
  tag === undefined ? name !== undefined || !isReferrer : !digestTags.isDerived(tag)

/**
 * Lists the images of the layout in a folder: the entries of its index, without referrers and tags made from digests.
 *
 * Fails with `LayoutInvalid` if the index cannot be read.
 *
 * @since 0.1.0
 * @category lists
 */
export const list = (path: string): Effect.Effect<ReadonlyArray<Image>, LayoutInvalid> =>
  Effect.map(linesOf(path), (lines) => lines.filter(isImage).map(({ digest, name, tag }) => ({ digest, name, tag })))

/** Returns a name with its host and tag, for comparisons: `alpine:3` is `docker.io/library/alpine:3`. */
const normalized = (name: string | undefined): string | undefined =>
  name === undefined || !/[:/]/.test(name)
    ? undefined
    : Either.getOrUndefined(Either.map(Reference.parseFamiliar(name), String))

/** Returns the best matches: by the exact name, or else by the same reference, or else by the tag. */
const matches = (lines: ReadonlyArray<Line>, wanted: string): ReadonlyArray<Line> => {
  const reference = normalized(wanted)
  const exact = lines.filter(({ name }) => name === wanted)
  if (exact.length > 0) return exact
  const same = lines.filter(({ name }) => reference !== undefined && normalized(name) === reference)
  return same.length > 0 ? same : lines.filter(({ tag }) => tag === wanted)
}

const distinct = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> =>
  [
    ...new Map([...lines].reverse().map((line) => [line.digest, line])).values()
  ].reverse()

const mostNames = 10

/** Returns a name for each image. An image without a name is named by its digest. */
const namesOf = (lines: ReadonlyArray<Line>): ReadonlyArray<string> =>
  lines.map(({ digest, name }) => name ?? `@${digest}`)

const listed = (names: ReadonlyArray<string>): string =>
  names.slice(0, mostNames).map((name) => printable(name, 200)).join(", ") +
  (names.length > mostNames ? ` and ${names.length - mostNames} more` : "")

/** Parses a digest. `a:latest` has the form of a digest, but its algorithm is unknown. */
const digestOf = (text: string | undefined): Digest.Digest | undefined => {
  const digest = text === undefined ? undefined : Either.getOrUndefined(Digest.parse(text))
  return digest !== undefined && Digest.isSupported(digest) ? digest : undefined
}

/**
 * Finds one image of the layout in a folder, by its name, tag or digest. Without `wanted`, returns the only image. A whole
 * reference (`alpine:3`, `docker.io/library/alpine:3`) distinguishes images that have the same tag. A digest is returned
 * without reading the layout.
 *
 * Fails with `ImageNotFound` if there is no such image, or more than one, and with `LayoutInvalid` if the index cannot be
 * read.
 *
 * @since 0.1.0
 * @category lists
 * @example
 * ```ts
 * import { Registry, RepositoryName } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 * import * as NodeLayoutImages from "@effect-oci/transfer/NodeLayoutImages"
 * import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
 * import { Effect } from "effect"
 *
 * const pushed = (to: Registry["Type"]) =>
 *   Effect.gen(function*() {
 *     const { digest, tag } = yield* NodeLayoutImages.find("./app")
 *     const registry = yield* Registry
 *     return yield* Copy.copy(
 *       { registry, repository: NodeOciLayout.repository, reference: digest },
 *       { registry: to, repository: RepositoryName.make("team/app"), tags: tag === undefined ? [] : [tag] }
 *     )
 *   }).pipe(Effect.provide(NodeOciLayout.layer("./app")))
 * ```
 */
export const find = (path: string, wanted?: string): Effect.Effect<Image, LayoutInvalid | ImageNotFound> =>
  Effect.gen(function*() {
    const digest = digestOf(wanted)
    if (digest !== undefined) return { digest, tag: undefined, name: undefined }
    const lines = yield* linesOf(path)
    const images = lines.filter(isImage)
    const named = images.filter(({ name }) => name !== undefined)
    const found = distinct(wanted !== undefined ? matches(lines, wanted) : named.length > 0 ? named : images)
    const [image, other] = found
    if (image !== undefined && other === undefined) return { digest: image.digest, tag: image.tag, name: image.name }
    const names = namesOf(image === undefined ? images : found)
    const reason = image !== undefined
      ? `it contains several images: ${listed(names)}; choose one by its name or digest`
      : names.length > 0
      ? `it contains ${listed(names)}`
      : "it contains no images"
    return yield* Effect.fail(new ImageNotFound({ layout: path, wanted, reason, names }))
  })
