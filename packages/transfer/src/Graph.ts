/**
 * The graph of an artifact: its manifests, the content that they point at, and their referrers.
 *
 * @since 0.1.0
 */
import { Manifest, printable, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Platform } from "@effect-oci/resolver"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as digestTags from "./internal/digestTags.js"
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
   * Returns the content that a manifest of an unknown media type points at. `Option.none()` means that the manifest is read
   * as usual: a manifest of an unknown type is copied alone, or fails if it has members that seem to list content, such as
   * `layers`. Default: `Option.none()` for all manifests.
   */
  readonly children?:
    | ((manifest: Manifest.Manifest) => Effect.Effect<
      Option.Option<ReadonlyArray<Manifest.Link>>,
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

/** Logs a warning and returns `instead` if a referrer cannot be read. Fails if referrers are required. */
const orWithout = <A>(required: boolean, what: string, instead: A) => <B>(effect: Answer<B>): Answer<A | B> =>
  required ?
    effect :
    Effect.catchAll(
      effect,
      (error) => Effect.as(Effect.logWarning(`copying without ${what}: ${error.message}`), instead)
    )

/** Returns the referrers of a manifest. A registry without the referrers API has none. */
const referrersOf = ({ registry, repository }: Source, digest: Digest.Digest, most: number, required: boolean) =>
  registry.listReferrers(repository, digest).pipe(
    Stream.take(most),
    Stream.runCollect,
    Effect.map((referrers): ReadonlyArray<Descriptor.Descriptor> => [...referrers]),
    Effect.catchIf(
      (error) => RegistryError.isNotFound(error) || (!required && error._tag === "Unsupported"),
      () => Effect.succeed<ReadonlyArray<Descriptor.Descriptor>>([])
    ),
    orWithout<ReadonlyArray<Descriptor.Descriptor>>(required, `the referrers of ${digest}`, [])
  )

const tooLarge = (source: Source, reason: string) =>
  new RegistryError.ManifestInvalid({ repository: source.repository, reason: `what belongs to it ${reason}` })

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
    options.children === undefined ? Effect.succeedNone : options.children(manifest),
    Option.match({
      onSome: Effect.succeed,
      onNone: () =>
        Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes }).pipe(
          Either.filterOrLeft((document) => document._tag !== "Unknown" || document.lists.length === 0, notUnderstood),
          Either.mapBoth({
            onLeft: (error) =>
              RegistryError.withFields(error, {
                repository: source.repository,
                reference: manifest.descriptor.digest
              }),
            onRight: Manifest.references
          })
        )
    })
  )

const notUnderstood = (document: Manifest.Document) =>
  new RegistryError.ManifestInvalid({
    reason: `manifests of type ${printable(document.mediaType, 80)} are not understood, and this one has "${
      document._tag === "Unknown" ? printable(document.lists.join("\", \""), 80) : ""
    }"; say with \`children\` what it points at`
  })

/** Returns the entries of an index for some platforms, in order. An index without platforms is returned whole. */
const chosen = (
  entries: ReadonlyArray<Descriptor.Descriptor>,
  platforms: ReadonlyArray<Platform.Platform> | undefined
): ReadonlyArray<Descriptor.Descriptor> => {
  if (platforms === undefined || entries.every(({ platform }) => platform === undefined)) return entries
  const digests = new Set(
    platforms.flatMap((platform) => Option.toArray(Platform.select(entries, platform)).map(({ digest }) => digest))
  )
  return entries.filter(({ annotations, digest, mediaType }) =>
    digests.has(digest) || isIndex(mediaType) ||
    digests.has(annotations?.["vnd.docker.reference.digest"] as Digest.Digest)
  )
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
  Effect.gen(function*() {
    const { concurrency = 4, maxDepth = 32, maxManifestBytes = 64 * 1024 * 1024, maxManifests = 10_000 } = options
    const withoutReferrers = options.withoutReferrers ?? false
    const required = options.referrers === "required"
    const wanted = typeof options.referrers === "function" ? options.referrers : () => true
    const tags = new Map<Tag.Tag, DigestTag>()
    const withTags = !withoutReferrers && (options.digestTags ?? true)
    const findTags = yield* digestTags.finder(source.registry, source.repository)
    const nodes = new Map<Digest.Digest, Node>()
    const seen = new Set<Digest.Digest>([root.descriptor.digest])
    let bytes = 0

    /** Returns the manifests that were not found before. */
    const fresh = (found: ReadonlyArray<Found>) =>
      found.filter(({ descriptor }) => !seen.has(descriptor.digest) && seen.add(descriptor.digest))

    const load = ({ descriptor, existed, optional }: Found): Answer<Manifest.Manifest | "unreadable" | undefined> => {
      if (descriptor.digest === root.descriptor.digest) return Effect.succeed(root)
      const needless = existed && (withoutReferrers || !isIndex(descriptor.mediaType))
      return needless
        ? Effect.succeed(undefined)
        : source.registry.getManifest(source.repository, descriptor.digest).pipe(
          orWithout(required || !optional, `the referrer ${descriptor.digest}`, "unreadable" as const)
        )
    }

    /** Returns the manifests under the tags that are made from a digest. */
    const tagged = (of: Digest.Digest): Answer<ReadonlyArray<Descriptor.Descriptor>> =>
      findTags(of).pipe(
        Effect.flatMap(Effect.forEach((tag) =>
          Effect.tap(source.registry.resolveManifest(source.repository, tag), ({ digest }) =>
            Effect.sync(() => tags.set(tag, { digest, of })))
        )),
        orWithout<ReadonlyArray<Descriptor.Descriptor>>(required, `the tags made from ${of}`, [])
      )

    const look = (one: Found) =>
      Effect.gen(function*() {
        const { depth, descriptor } = one
        const existed = one.existed || (yield* exists(descriptor))
        const manifest = yield* load({ ...one, existed })
        if (manifest === "unreadable") {
          return []
        }
        bytes += manifest?.bytes.byteLength ?? 0
        if (bytes > maxManifestBytes) {
          return yield* tooLarge(source, `has manifests of more than ${maxManifestBytes} bytes`)
        }
        const all = manifest === undefined || (existed && withoutReferrers)
          ? []
          : yield* linksOf(source, manifest, options)
        const links = all.filter((link) =>
          link.kind === "subject" || (options.filter?.(link, descriptor) ?? true)
        )
        const of = (kind: Manifest.Link["kind"]) => links.flatMap((link) => link.kind === kind ? [link.descriptor] : [])
        const entries = of("manifest")
        const children = chosen(entries, options.platforms)
        if (children.length === 0 && entries.length > 0) {
          return yield* Platform.missing(source.repository, descriptor.digest, entries, options.platforms ?? [])
        }
        nodes.set(descriptor.digest, {
          descriptor,
          manifest,
          children,
          blobs: blobsOf(links),
          subject: of("subject")[0],
          existed
        })
        const { digest } = descriptor
        const referrers = withoutReferrers ? [] : yield* referrersOf(source, digest, maxManifests + 1, required)
        const found = (descriptors: ReadonlyArray<Descriptor.Descriptor>, existed: boolean, optional: boolean) =>
          descriptors.map((descriptor): Found => ({ descriptor, depth: depth + 1, existed, optional }))
        const next = fresh([
          ...found(children, existed, false),
          ...found(referrers.filter(wanted), false, true),
          ...found(withTags ? yield* tagged(digest) : [], false, true)
        ])
        return seen.size > maxManifests
          ? yield* tooLarge(source, `has more than ${maxManifests} manifests`)
          : next
      })

    let level: ReadonlyArray<Found> = [{ descriptor: root.descriptor, depth: 0, existed: false, optional: false }]
    while (level.length > 0) {
      if (level[0]!.depth > maxDepth) return yield* tooLarge(source, `lies more than ${maxDepth} manifests deep`)
      const below = yield* Effect.forEach(level, look, { concurrency })
      level = below.flat()
    }
    // A tag whose manifest could not be read is left out, like the manifest.
    const known = new Map([...tags].filter(([, { digest }]) => nodes.has(digest)))
    return { root: root.descriptor.digest, nodes, digestTags: known }
  })

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
