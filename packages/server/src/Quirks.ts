/**
 * Quirks: the ways in which other registries differ from the spec. Use them to test clients against these registries.
 * `docs/quirks.md` lists the quirks of each registry.
 *
 * @since 0.1.0
 */
/**
 * The ways in which a server differs from the spec, or from most other servers. Default: none of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quirks {
  /**
   * Answers the referrers API with a plain 404, and sends no `OCI-Subject`. Distribution 2.8, and every registry older
   * than spec 1.1.
   */
  readonly noReferrers?: boolean | undefined
  /**
   * Answers the referrers API with something other than 404: an HTML page, an object without `manifests`, or 401.
   * Proxies and portals in front of a registry.
   */
  readonly referrersAnswer?: "page" | "object" | "unauthorized" | undefined
  /** Treats a tag `sha256-…` as the digest `sha256:…`, so that the referrers tag returns the subject itself. GitLab. */
  readonly tagsAsDigests?: boolean | undefined
  /** Answers the list of repositories with an empty 404. Docker Hub, GitHub, and most registries with many tenants. */
  readonly noCatalog?: boolean | undefined
  /**
   * Lists tags out of order. `whole`: sends all tags, ignores `n` and `last`, and sends no `Link`, as Distribution 2.8
   * does.
   * `pages`: sends pages with a `Link`, where `last` is a position in that order, as GitHub does.
   */
  readonly unsortedTags?: "whole" | "pages" | undefined
  /**
   * Sends a `Link` whose scheme or path prefix differs from that of the registry, as a registry does that does not know
   * about its proxy.
   */
  readonly link?: "scheme" | "prefix" | undefined
  /** The status of the answer to the end of an upload: 200 (Nexus) or 202 (Amazon ECR). */
  readonly commitStatus?: number | undefined
  /** The status of the answer that refuses a mount: 403, 405, 500, 503. */
  readonly mountStatus?: number | undefined
  /**
   * The error code for a range that cannot be served, or for a chunk out of order, in place of the right code:
   * `BLOB_UNKNOWN`.
   */
  readonly rangeCode?: string | undefined
  /** Answers HEAD of a manifest with a `Content-Length` of 0, and without a `Content-Type`. */
  readonly emptyHead?: boolean | undefined
  /**
   * The `Content-Encoding` that the server sends with blobs, although it sends them unchanged: `x-gzip`. Apache does
   * this for each `.gz` file.
   */
  readonly contentEncoding?: string | undefined
  /**
   * Does not filter referrers by artifact type. [The
   * spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers) says that a registry
   * SHOULD filter.
   */
  readonly noFilter?: boolean | undefined
  /** Sends no `Link`, so that a list ends with its first page. */
  readonly noLink?: boolean | undefined
  /** Sends no `Docker-Content-Digest`. The spec did not require this header before 1.1. */
  readonly noDigestHeader?: boolean | undefined
  /** Does not accept a blob in one POST, but opens an upload session. Distribution, and most others. */
  readonly noSinglePost?: boolean | undefined
  /** Ignores `?tag=`: a push by digest sets no tag. All registries of spec 1.1. */
  readonly noTagParameter?: boolean | undefined
  /** The form of `Location`: a whole URL, a path relative to the URL of the request, or a path with a query. */
  readonly location?: "absolute" | "relative" | "query" | undefined
  /** Answers a chunk with 201 in place of 202. Amazon ECR. */
  readonly patchCreated?: boolean | undefined
  /** Sends the `Range` of the first chunk for every chunk, so that a client cannot find out the offset. Amazon ECR. */
  readonly stuckRange?: boolean | undefined
  /** Ignores `Range` in requests of blobs, and sends the whole blob. */
  readonly noRange?: boolean | undefined
  /** The minimum size of every chunk except the last, in bytes: `OCI-Chunk-Min-Length`. Stores on S3. */
  readonly minChunkBytes?: number | undefined
  /**
   * The [warnings](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings) that the server
   * sends with every answer, for users to read.
   */
  readonly warnings?: ReadonlyArray<string> | undefined
  /** Answers every HEAD with 401 and without a body. Proxies that support only GET. */
  readonly unauthorizedHead?: boolean | undefined
  /** Sends errors as HTML pages that contain only the status. */
  readonly htmlErrors?: boolean | undefined
}

/** The quirks of every version of Distribution, and of the registries that are built on Distribution. */
const distribution: Quirks = { noReferrers: true, noSinglePost: true, noTagParameter: true, location: "absolute" }

const presets = {
  "docker-registry-2.8": { ...distribution, unsortedTags: "whole" },
  "docker-registry-3": distribution,
  gitlab: { ...distribution, tagsAsDigests: true, noCatalog: true },
  ghcr: { noReferrers: true, noSinglePost: true, noTagParameter: true, noCatalog: true, unsortedTags: "pages" },
  ecr: { noSinglePost: true, noTagParameter: true, patchCreated: true, stuckRange: true, commitStatus: 202 },
  artifactory: { noSinglePost: true, noTagParameter: true, link: "prefix", location: "absolute" },
  nexus: { noReferrers: true, noSinglePost: true, noTagParameter: true, commitStatus: 200, rangeCode: "SIZE_INVALID" },
  portal: { noReferrers: true, referrersAnswer: "page", link: "scheme", htmlErrors: true, noTagParameter: true },
  "static-files": { noDigestHeader: true, emptyHead: true, contentEncoding: "x-gzip", noReferrers: true }
} satisfies { readonly [name: string]: Quirks }

/**
 * The name of a registry that {@link like} can imitate. `portal` is a registry behind a proxy that answers with HTML
 * pages. `static-files` is a registry of plain files behind Apache.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = keyof typeof presets

/**
 * The names of the registries that {@link like} can imitate.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<Name> = Object.keys(presets) as ReadonlyArray<Name>

/**
 * Returns the quirks of a widely used registry, for a server that imitates this registry in tests of clients.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Quirks } from "@effect-oci/server"
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 * import { Memory } from "@effect-oci/store"
 * import { Layer } from "effect"
 *
 * const gitlab = NodeRegistryServer.layer({ port: 0, quirks: Quirks.like("gitlab") }).pipe(
 *   Layer.provide(Memory.layer())
 * )
 * ```
 */
export const like = (name: Name): Quirks => presets[name]
