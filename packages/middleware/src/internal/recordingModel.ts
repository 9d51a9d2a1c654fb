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
 * How content or a list ended that was not read to its end: its reader stopped `early`, or it failed with an error.
 *
 * @since 0.1.0
 * @category models
 */
export type Ended = "early" | { readonly error: RegistryError.RegistryError }

/**
 * Content, as far as it was read: the sha256 and the number of the bytes that were read, and the bytes themselves if
 * they are few. In JSON the bytes are `text` if they are UTF-8, and `base64` otherwise.
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
 * An operation, with content instead of bodies and bytes. The ids of uploads are placeholders.
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
 * The recorded result of each operation.
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
 * A line of a recording: an operation, and its result or its error.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = EntryOf<Asked>

/**
 * The destination of a recording.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sink {
  /** Writes a line. The line does not contain its line break. Lines are written one after another. */
  readonly write: (line: string) => Effect.Effect<void>
  /**
   * Returns a body with the same bytes, and stores the bytes by their sha256 when the body is read. It is used for
   * content that is too large for a line. Without it, only the digest and size of such content are recorded.
   */
  readonly keep?: ((body: Body.Body) => Body.Body) | undefined
}

/**
 * A recording for `Replay`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recording {
  /** The name of the recording in errors. */
  readonly name: string
  readonly entries: ReadonlyArray<Entry>
  /** Returns the body of content that is stored in a file of its own, or `undefined` if there is none. */
  readonly load?: ((digest: Digest.Digest) => Effect.Effect<Body.Body | undefined>) | undefined
}
