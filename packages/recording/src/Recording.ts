/**
 * Recordings: operations on a registry and their results, in a file with a line of JSON for each operation.
 *
 * @since 0.1.0
 */
import { Operation } from "@effect-oci/core"
import type { Body, ByteRange, Descriptor, Digest, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as files from "./internal/files.js"
import { schemaOf } from "./internal/schema.js"

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

type RecordedOperationOf<O> = O extends Operation.Operation ? { readonly [K in keyof O]: Recorded<O[K]> } : never

/**
 * An operation, with content instead of bodies and bytes. The ids of uploads are placeholders.
 *
 * @since 0.1.0
 * @category models
 */
export type RecordedOperation = RecordedOperationOf<Operation.Operation>

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
export interface Results
  extends Omit<Operation.Results, "GetBlob" | "GetManifest" | "ListRepositories" | "ListTags" | "ListReferrers">
{
  readonly GetBlob: {
    readonly descriptor: Descriptor.Descriptor
    readonly range?: ByteRange.Span | undefined
    readonly content: Content
  }
  readonly GetManifest: { readonly descriptor: Descriptor.Descriptor; readonly content: Content }
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
export type Entry = EntryOf<RecordedOperation>

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
  readonly store?: ((body: Body.Body) => Body.Body) | undefined
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

/**
 * The version of the file format that this package reads and writes.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = 1

/**
 * The error of a line that is not a valid line of a recording. `line` counts from 1.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordingInvalid extends Data.TaggedError("OciRecordingInvalid")<{
  readonly file: string
  readonly line: number
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}:${this.line}: ${this.reason}`
  }
}

/**
 * Encodes an entry as a line, without the line break.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (entry: Entry): string => JSON.stringify(Schema.encodeUnknownSync(schemaOf(entry)!)(entry))

/**
 * Decodes a line. Returns a description of the problem if the line is not valid.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (line: string): Either.Either<Entry, string> =>
  Either.gen(function*() {
    const json = yield* Either.try({ try: (): unknown => JSON.parse(line), catch: () => "the line is not JSON" })
    const lineVersion = Predicate.hasProperty(json, "version") ? json.version : undefined
    if (lineVersion !== version) {
      return yield* Either.left(
        lineVersion === undefined
          ? "the line has no \"version\", so it is not part of a recording"
          : `the line has version ${JSON.stringify(lineVersion)}; only version ${version} is supported`
      )
    }
    const schema = schemaOf(json)
    if (schema === undefined) {
      return yield* Either.left(`"operation" must be one of ${Object.keys(Operation.traits).join(", ")}`)
    }
    return yield* Either.mapBoth(Schema.decodeUnknownEither(schema)(json), {
      onLeft: (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
        return issue === undefined ? error.message : `${issue.path.join(".")}: ${issue.message}`
      },
      onRight: (entry) => entry as Entry
    })
  })

/**
 * Options for the files of a recording.
 *
 * @since 0.1.0
 * @category models
 */
export interface Files {
  /**
   * A folder for content that is too large for a line: one file each, named by its sha256. The folder is created if it
   * does not exist. Default: none.
   */
  readonly blobs?: string | undefined
}

/**
 * Creates a sink that writes to a file, and overwrites an existing file. If a later write fails, the sink logs that
 * once and the recording ends; the registry still works.
 *
 * @since 0.1.0
 * @category files
 */
export const toFile = (
  path: string,
  options?: Files
): Effect.Effect<Sink, PlatformError, FileSystem.FileSystem | Scope.Scope> => files.sink(path, options?.blobs)

/**
 * Reads a recording from its file.
 *
 * @since 0.1.0
 * @category files
 */
export const fromFile = (
  path: string,
  options?: Files
): Effect.Effect<Recording, RecordingInvalid | PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(
    files.source(path, options?.blobs),
    ({ load, text }) => Effect.map(parse(text, { name: path }), (recording) => ({ ...recording, load }))
  )

/**
 * Parses a recording from its text. Empty lines are skipped.
 *
 * @since 0.1.0
 * @category decoding
 * @example
 * ```ts
 * import { Recording } from "@effect-oci/recording"
 * import { Either } from "effect"
 *
 * const recording = Recording.parse("{\"version\":1,\"operation\":{}}", { name: "session.jsonl" })
 * const message = Either.isLeft(recording) ? recording.left.message : "" // session.jsonl:1: "operation" must be one of …
 * ```
 */
export const parse = (
  text: string,
  options?: { readonly name?: string | undefined }
): Either.Either<Recording, RecordingInvalid> =>
  Either.gen(function*() {
    const name = options?.name ?? "recording"
    const entries: Array<Entry> = []
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "") continue
      entries.push(
        yield* Either.mapLeft(decode(line), (reason) => new RecordingInvalid({ file: name, line: index + 1, reason }))
      )
    }
    return { name, entries }
  })
