/**
 * Recordings: operations on a registry and their results, in a file with a line of JSON for each operation.
 *
 * @since 0.1.0
 */
import { Operation } from "@effect-oci/core"
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as files from "./internal/recordingFiles.js"
import type { Entry, Recording, Sink } from "./internal/recordingModel.js"
import { schemaOf } from "./internal/recordingSchema.js"

export type * from "./internal/recordingModel.js"

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
export class RecordingInvalid extends Data.TaggedError("RecordingInvalid")<{
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
export const encode = (entry: Entry): string =>
  JSON.stringify(Schema.encodeSync(schemaOf(entry) as Schema.Schema<Entry, unknown>)(entry))

/**
 * Decodes a line. Returns a description of the problem if the line is not valid.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (line: string): Either.Either<Entry, string> =>
  Either.gen(function*() {
    const json = yield* Either.try({ try: (): unknown => JSON.parse(line), catch: () => "it is no JSON" })
    const said = (json as { readonly version?: unknown } | null)?.version
    if (said !== version) {
      return yield* Either.left(
        said === undefined
          ? `it has no "version": it is no line of a recording`
          : `it has version ${JSON.stringify(said)}, and only ${version} can be read`
      )
    }
    const schema = schemaOf(json)
    if (schema === undefined) {
      return yield* Either.left(`its "operation" is none of ${Object.keys(Operation.traits).join(", ")}`)
    }
    return yield* Either.mapLeft(Schema.decodeUnknownEither(schema)(json), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return issue === undefined ? error.message : `${issue.path.join(".")}: ${issue.message}`
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
 * import { Recording } from "@effect-oci/middleware"
 * import { Either } from "effect"
 *
 * const recording = Recording.parse("{\"version\":1,\"operation\":{}}", { name: "session.jsonl" })
 * const message = Either.isLeft(recording) ? recording.left.message : "" // session.jsonl:1: its "operation" is none of …
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
