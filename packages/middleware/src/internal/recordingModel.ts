import type {
  Body,
  ByteRange,
  Descriptor,
  Digest,
  Operation,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import type * as Effect from "effect/Effect"

/**
 * How a stream ended that did not come to its end: whoever read it left `early`, or it failed.
 *
 * @since 0.1.0
 * @category models
 */
export type Ended = "early" | { readonly error: RegistryError.RegistryError }

/**
 * Content, as far as it was read: the sha256 and the number of these bytes, and the bytes themselves where they are few.
 * In JSON they are `text`, where they are UTF-8, or `base64`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Content {
  readonly digest: Digest.Digest
  readonly size: number
  readonly bytes?: Uint8Array | undefined
  readonly ended?: Ended | undefined
}

type Recorded<A> = A extends Body.Body | Uint8Array ? Content : A

type AskedOf<O> = O extends Operation.Operation ? { readonly [K in keyof O]: Recorded<O[K]> } : never

/**
 * An operation, with content in place of bodies and bytes. The ids of uploads are placeholders.
 *
 * @since 0.1.0
 * @category models
 */
export type Asked = AskedOf<Operation.Operation>

/**
 * The items of a list, as far as it was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface List<A> {
  readonly items: ReadonlyArray<A>
  readonly ended?: Ended | undefined
}

/**
 * What each operation was answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Results extends
  Omit<
    Operation.Results,
    "GetBlob" | "GetManifest" | "PushManifest" | "ListRepositories" | "ListTags" | "ListReferrers"
  >
{
  readonly GetBlob: {
    readonly descriptor: Descriptor.Descriptor
    readonly range?: ByteRange.Span | undefined
    readonly content: Content
  }
  readonly GetManifest: { readonly descriptor: Descriptor.Descriptor; readonly content: Content }
  readonly PushManifest: {
    readonly descriptor: Descriptor.Descriptor
    readonly subject?: Digest.Digest | undefined
    readonly tags: ReadonlyArray<Tag.Tag>
  }
  readonly ListRepositories: List<RepositoryName.RepositoryName>
  readonly ListTags: List<Tag.Tag>
  readonly ListReferrers: List<Descriptor.Descriptor>
}

type EntryOf<A> = A extends { readonly _tag: keyof Results } ?
    | { readonly version: 1; readonly operation: A; readonly result: Results[A["_tag"]] }
    | { readonly version: 1; readonly operation: A; readonly error: RegistryError.RegistryError }
  : never

/**
 * A line: an operation, and its result or its error.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = EntryOf<Asked>

/**
 * Where a recording is written.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink {
  /** Takes a line, without its end; one after another. */
  readonly write: (line: string) => Effect.Effect<void>
  /**
   * Passes a body on, and keeps its bytes by their sha256. Content that is too large for a line is kept so; without it
   * such content is known by its digest and size alone.
   */
  readonly keep?: ((body: Body.Body) => Body.Body) | undefined
}

/**
 * A recording to be served again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recording {
  /** What it is called where an error tells of it. */
  readonly name: string
  readonly entries: ReadonlyArray<Entry>
  /** The body of content that was kept apart, if it was. */
  readonly load?: ((digest: Digest.Digest) => Effect.Effect<Body.Body | undefined>) | undefined
}
