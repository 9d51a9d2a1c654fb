/**
 * What a server does otherwise than it should, or than most do. None of it unless said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quirks {
  /** No referrers API: a plain 404, and no `OCI-Subject`. Distribution 2.8, and every registry of before 1.1. */
  readonly noReferrers?: boolean | undefined
  /**
   * No referrers API, but an answer that is no error: a page for people, an object without `manifests`, or 401. Proxies and
   * portals before a registry.
   */
  readonly referrersAnswer?: "page" | "object" | "unauthorized" | undefined
  /** A tag `sha256-…` is taken for the digest `sha256:…`, so that the referrers tag is the subject itself. GitLab. */
  readonly tagsAsDigests?: boolean | undefined
  /** There is no list of repositories: an empty 404. Docker Hub, GitHub, and most registries of many tenants. */
  readonly noCatalog?: boolean | undefined
  /**
   * Tags are listed in an order that is none. `whole`: all of them, whatever `n` and `last` say, and without `Link`, as
   * Distribution 2.8 does. `pages`: in pages with a `Link`, where `last` is a place in that order, as GitHub does.
   */
  readonly unsortedTags?: "whole" | "pages" | undefined
  /** `Link` has another scheme, or another prefix of its path, than the registry: a proxy that the registry ignores. */
  readonly link?: "scheme" | "prefix" | undefined
  /** The status by which the end of an upload is answered: 200, 202. Nexus, Amazon ECR. */
  readonly commitStatus?: number | undefined
  /** The status by which a mount is refused: 403, 405, 500, 503. */
  readonly mountStatus?: number | undefined
  /** A range that cannot be served, or a chunk out of order, has a code that says something else: `BLOB_UNKNOWN`. */
  readonly rangeCode?: string | undefined
  /** HEAD of a manifest is answered with a `Content-Length` of 0, and without a `Content-Type`. */
  readonly emptyHead?: boolean | undefined
  /** Blobs are said to have this `Content-Encoding`, but are sent as they are: `x-gzip`. Apache, for each `.gz` file. */
  readonly contentEncoding?: string | undefined
  /** Referrers are not filtered by artifact type. Spec: "Listing Referrers" has it as a should. */
  readonly noFilter?: boolean | undefined
  /** Lists end with their page: no `Link`. */
  readonly noLink?: boolean | undefined
  /** No `Docker-Content-Digest`, which was no must before 1.1. */
  readonly noDigestHeader?: boolean | undefined
  /** A blob is not taken in one POST: an upload is opened for it. Distribution, and most others. */
  readonly noSinglePost?: boolean | undefined
  /** `?tag=` is not known: a push by digest sets no tag. All registries of 1.1. */
  readonly noTagParameter?: boolean | undefined
  /** Locations are whole URLs, or relative to that of the request, with a query of their own: not plain paths. */
  readonly location?: "absolute" | "relative" | "query" | undefined
  /** A chunk is answered with 201 rather than 202. Amazon ECR. */
  readonly patchCreated?: boolean | undefined
  /** `Range` speaks of the first chunk for ever, and nothing else says where an upload stands. Amazon ECR. */
  readonly stuckRange?: boolean | undefined
  /** Ranges of blobs are not known: all of it is sent. */
  readonly noRange?: boolean | undefined
  /** The least that a chunk may have, in bytes, but for the last: `OCI-Chunk-Min-Length`. Stores on S3. */
  readonly minChunkBytes?: number | undefined
  /** What the server says to people with every answer. Spec: "Warnings". */
  readonly warnings?: ReadonlyArray<string> | undefined
  /** Whoever asks by HEAD is answered with 401, and as it is HEAD with no word more. Proxies that know only GET. */
  readonly unauthorizedHead?: boolean | undefined
  /** Errors are pages for people: HTML, with the status alone. */
  readonly htmlErrors?: boolean | undefined
}
