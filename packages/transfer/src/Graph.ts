/**
 * The graph of an artifact: its manifests, the content that they point at, and their referrers.
 *
 * @since 0.1.0
 */
import { Manifest, printable, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as Platform from "@effect-oci/resolver/Platform"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as describing from "./internal/describing.js"
import { blobs as blobsOf, isIndex } from "./internal/links.js"
import * as order from "./internal/order.js"

/**
 * A manifest of the graph. `manifest` is `undefined` if the target already has the manifest and the copy does not need its
 * content.
 *
 * @since 0.1.0
 * @category models
 */
export interface Node {
  /** The descriptor from the manifest that points at this one, with platform and annotations. */
  readonly descriptor: Descriptor.Descriptor
  readonly manifest: Manifest.Manifest | undefined
  /** The manifests that this manifest points at. They must be pushed before it. */
  readonly children: ReadonlyArray<Descriptor.Descriptor>
  /** The blobs that this manifest points at. */
  readonly blobs: ReadonlyArray<Descriptor.Descriptor>
  /** The manifest that this manifest refers to, if it is a referrer. */
  readonly subject: Descriptor.Descriptor | undefined
  /** Whether the target has this manifest, and therefore everything that it points at. */
  readonly existed: boolean
}

/**
 * Everything that belongs to one manifest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Graph {
  readonly root: Digest.Digest
  /** The manifests in the order in which they were found: the root first. */
  readonly nodes: ReadonlyMap<Digest.Digest, Node>
  /** The manifests that belong to the graph because their tag is made from a digest in it. */
  readonly digestTags: ReadonlyMap<Tag.Tag, DigestTag>
}

/**
 * A manifest that describes another manifest. Its tag is made from the digest of the other manifest: cosign's
 * `sha256-<hex>.sig`, `.att` and `.sbom`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DigestTag {
  readonly digest: Digest.Digest
  /** The manifest that the tag is made from. */
  readonly of: Digest.Digest
}

/**
 * Options that choose what belongs to a graph, and limit its size.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /**
   * Leaves out signatures, SBOMs, attestations and all other referrers of the manifests. Default: `false`.
   */
  readonly withoutReferrers?: boolean | undefined
  /**
   * Chooses referrers, for example by artifact type and annotations. Default: all. `"required"` includes all, and fails if
   * they cannot be listed or read. Without `"required"`, such a failure is logged as a warning, and those referrers are
   * left out.
   */
  readonly referrers?: ((referrer: Descriptor.Descriptor) => boolean) | "required" | undefined
  /**
   * Whether to include the manifests under tags made from digests (`sha256-<hex>.sig`, `.att`, `.sbom`), with these tags.
   * cosign stores signatures under such tags. Default: `true`. Has no effect with `withoutReferrers`.
   */
  readonly digestTags?: boolean | undefined
  /**
   * Chooses which content of a manifest belongs to the graph. Default: all. Entries that are left out are removed from
   * their index, which gets another digest. An image or an artifact does not change: the target must already have the blobs
   * that are left out, or accept the manifest without them.
   */
  readonly filter?: ((link: Manifest.Link, of: Descriptor.Descriptor) => boolean) | undefined
  /**
   * Returns the content that a manifest of an unknown media type points at. `undefined` means that the manifest is read as
   * usual: a manifest of an unknown type is copied alone, or fails if it has members that seem to list content, such as
   * `layers`. Default: `undefined` for all manifests.
   */
  readonly children?:
    | ((manifest: Manifest.Manifest) => Effect.Effect<
      ReadonlyArray<Manifest.Link> | undefined,
      RegistryError.RegistryError
    >)
    | undefined
  /**
   * Includes only the best entry of an index for each of these platforms. Referrers of the other entries are left out too.
   * Attestations of an image (`vnd.docker.reference.digest`) stay with the image. Default: all entries.
   */
  readonly platforms?: ReadonlyArray<Platform.Platform> | undefined
  /** The maximum number of levels of manifests below the root. Default: 32. */
  readonly maxDepth?: number | undefined
  /** The maximum number of manifests. Default: 10,000. */
  readonly maxManifests?: number | undefined
  /** The maximum total size of the manifests, in bytes. They are kept in memory. Default: 64 MiB. */
  readonly maxManifestBytes?: number | undefined
  /** How many manifests are read at the same time. Default: 4. */
  readonly concurrency?: number | undefined
}

/**
 * The repository that a graph is read from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  readonly registry: Registry["Type"]
  readonly repository: RepositoryName.RepositoryName
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

/** A manifest that was found and is not read yet. */
interface Found {
  readonly descriptor: Descriptor.Descriptor
  readonly depth: number
  /** Whether a manifest that the target has points at this one. */
  readonly existed: boolean
  /** Whether this is a referrer: if it cannot be read, the graph leaves it out. */
  readonly optional: boolean
}

const tooLarge = (source: Source, reason: string) =>
  new RegistryError.ManifestInvalid({ repository: source.repository, reason: `the graph of the manifest ${reason}` })

/**
 * Returns the content that a manifest points at. Fails if a manifest of an unknown media type seems to point at content:
 * the copy would lack it.
 */
const linksOf = (
  source: Source,
  manifest: Manifest.Manifest,
  options: Options
): Effect.Effect<ReadonlyArray<Manifest.Link>, RegistryError.RegistryError> =>
  Effect.flatMap(
    options.children === undefined ? Effect.succeed(undefined) : options.children(manifest),
    (links) =>
      links !== undefined ? Effect.succeed(links) : Manifest.parse({
        mediaType: manifest.descriptor.mediaType,
        bytes: manifest.bytes
      }).pipe(
        Either.filterOrLeft((document) => document._tag !== "Unknown" || document.lists.length === 0, notUnderstood),
        Either.mapBoth({
          onLeft: (error) =>
            RegistryError.withFields(error, { repository: source.repository, reference: manifest.descriptor.digest }),
          onRight: Manifest.references
        })
      )
  )

const notUnderstood = (document: Manifest.Document) =>
  new RegistryError.ManifestInvalid({
    reason: `the media type ${
      printable(document.mediaType, 80)
    } is unknown, and the manifest may point at content in "${
      document._tag === "Unknown" ? printable(document.lists.join("\", \""), 80) : ""
    }"; set \`children\` to return this content`
  })

/** Returns the entries of an index for some platforms, in order. An index without platforms is returned whole. */
const chosen = (
  entries: ReadonlyArray<Descriptor.Descriptor>,
  platforms: ReadonlyArray<Platform.Platform> | undefined
): ReadonlyArray<Descriptor.Descriptor> => {
  if (platforms === undefined || entries.every(({ platform }) => platform === undefined)) return entries
  const digests = new Set(
    platforms.flatMap((platform) => Platform.select(entries, platform)?.digest ?? [])
  )
  return entries.filter(({ annotations, digest, mediaType }) =>
    digests.has(digest) || isIndex(mediaType) ||
    digests.has(annotations?.["vnd.docker.reference.digest"] as Digest.Digest)
  )
}

/** Reads a graph, and collects what it has found. */
class Reader {
  private readonly nodes = new Map<Digest.Digest, Node>()
  private readonly tags = new Map<Tag.Tag, DigestTag>()
  private readonly seen = new Set<Digest.Digest>()
  private bytes = 0

  constructor(
    private readonly source: Source,
    private readonly root: Manifest.Manifest,
    private readonly options: Options,
    private readonly exists: (descriptor: Descriptor.Descriptor) => Answer<boolean>,
    private readonly describing: describing.Finder
  ) {}

  /** Reads level by level, so that no depth of the graph needs recursion. */
  read(): Answer<Graph> {
    return Effect.gen(this, function*() {
      const { concurrency = 4, maxDepth = 32 } = this.options
      const root = this.root.descriptor
      let level = this.unseen([root], { depth: 0, existed: false, optional: false })
      while (level.length > 0) {
        if (level[0]!.depth > maxDepth) {
          return yield* tooLarge(this.source, `has more than ${maxDepth} levels; raise \`maxDepth\``)
        }
        // The root is alone in its level: no fiber is needed for it.
        const found = yield* Effect.forEach(level, (found) => this.add(found), {
          concurrency: level.length === 1 ? 1 : concurrency
        })
        level = found.flat()
      }
      // A tag whose manifest could not be read is left out, like the manifest.
      const digestTags = new Map([...this.tags].filter(([, { digest }]) => this.nodes.has(digest)))
      return { root: root.digest, nodes: this.nodes, digestTags }
    })
  }

  /** Returns the manifests that were not found before. */
  private unseen(descriptors: ReadonlyArray<Descriptor.Descriptor>, found: Omit<Found, "descriptor">): Array<Found> {
    return descriptors.flatMap((descriptor) => {
      if (this.seen.has(descriptor.digest)) return []
      this.seen.add(descriptor.digest)
      return [{ descriptor, ...found }]
    })
  }

  /** Adds a manifest to the graph. Returns the manifests that it led to. */
  private add(found: Found): Answer<ReadonlyArray<Found>> {
    return Effect.gen(this, function*() {
      const { depth, descriptor } = found
      const { maxManifests = 10_000, withoutReferrers = false } = this.options
      const existed = found.existed || (yield* this.exists(descriptor))
      const manifest = yield* this.load({ ...found, existed })
      if (manifest === "unreadable") return []
      const node = yield* this.nodeOf(descriptor, manifest, existed)
      this.nodes.set(descriptor.digest, node)
      const next = this.unseen(node.children, { depth: depth + 1, existed, optional: false })
      if (!withoutReferrers) {
        const referrers = { depth: depth + 1, existed: false, optional: true }
        next.push(...this.unseen(yield* this.describing.referrers(descriptor.digest), referrers))
        next.push(...this.unseen(yield* this.describing.tagged(descriptor.digest, this.tags), referrers))
      }
      return this.seen.size > maxManifests
        ? yield* tooLarge(this.source, `has more than ${maxManifests} manifests; raise \`maxManifests\``)
        : next
    })
  }

  /** Reads a manifest, unless the target has it and nothing below it can have referrers. */
  private load({ descriptor, existed, optional }: Found): Answer<Manifest.Manifest | "unreadable" | undefined> {
    const { digest, mediaType } = descriptor
    if (digest === this.root.descriptor.digest) return Effect.succeed(this.root)
    if (existed && (this.options.withoutReferrers === true || !isIndex(mediaType))) return Effect.succeed(undefined)
    const manifest = this.source.registry.getManifest(this.source.repository, digest)
    return optional ? this.describing.optional(manifest, `the referrer ${digest}`, "unreadable" as const) : manifest
  }

  private nodeOf(
    descriptor: Descriptor.Descriptor,
    manifest: Manifest.Manifest | undefined,
    existed: boolean
  ): Answer<Node> {
    return Effect.gen(this, function*() {
      const { filter, maxManifestBytes = 64 * 1024 * 1024, platforms, withoutReferrers = false } = this.options
      this.bytes += manifest?.bytes.byteLength ?? 0
      if (this.bytes > maxManifestBytes) {
        return yield* tooLarge(
          this.source,
          `has manifests of more than ${maxManifestBytes} bytes; raise \`maxManifestBytes\``
        )
      }
      const all = manifest === undefined || (existed && withoutReferrers)
        ? []
        : yield* linksOf(this.source, manifest, this.options)
      const links = all.filter((link) => link.kind === "subject" || (filter?.(link, descriptor) ?? true))
      const of = (kind: Manifest.Link["kind"]) => links.flatMap((link) => link.kind === kind ? [link.descriptor] : [])
      const entries = of("manifest")
      const children = chosen(entries, platforms)
      if (children.length === 0 && entries.length > 0) {
        return yield* Platform.missing(this.source.repository, descriptor.digest, entries, platforms ?? [])
      }
      return { descriptor, manifest, children, blobs: blobsOf(links), subject: of("subject")[0], existed }
    })
  }
}

/**
 * Reads the graph of a manifest, level by level, and each manifest once. `exists` returns whether the target has a
 * manifest. Manifests below one that the target has are not read, except those that may have referrers.
 *
 * Blobs that may not be distributed are not part of the graph: they are not copied. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/layer.md#non-distributable-layers).
 *
 * Fails with `ManifestInvalid` if a manifest cannot be parsed, or if the graph exceeds a limit of the options.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  source: Source,
  root: Manifest.Manifest,
  options: Options,
  exists: (descriptor: Descriptor.Descriptor) => Effect.Effect<boolean, RegistryError.RegistryError>
): Effect.Effect<Graph, RegistryError.RegistryError> =>
  Effect.flatMap(
    describing.make(source.registry, source.repository, options),
    (finder) => new Reader(source, root, options, exists, finder).read()
  )

/**
 * Returns the manifests of a graph as steps, in the order in which they can be pushed. A manifest comes in a later step
 * than everything that it points at. The root comes last, unless another manifest points at the root. Manifests of the
 * same step do not point at each other.
 *
 * @since 0.1.0
 * @category destructors
 */
export const steps = ({ nodes, root }: Graph): ReadonlyArray<ReadonlyArray<Node>> => {
  const digestsOf = ({ children }: Node) => children.map(({ digest }) => digest)
  const all = order.steps(nodes, digestsOf)
  if ([...nodes.values()].some((node) => digestsOf(node).includes(root))) return all
  const last = nodes.get(root)
  const others = all.map((step) => step.filter((node) => node !== last)).filter((step) => step.length > 0)
  return last === undefined ? others : [...others, [last]]
}
