/**
 * Recordings: what was asked of a registry and what it answered, in a file with a line of JSON for each operation.
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
 * The version of the form that is written, and read.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = 1

/**
 * A line of a recording is not what one should be. `line` counts from 1.
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
 * A line, without its end.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (entry: Entry): string =>
  JSON.stringify(Schema.encodeSync(schemaOf(entry) as Schema.Schema<Entry, unknown>)(entry))

/**
 * Reads a line, or says what is wrong with it.
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
 * Where the files of a recording lie.
 *
 * @since 0.1.0
 * @category models
 */
export interface Files {
  /**
   * A folder for content that is too large for a line, one file each, named by its sha256: none unless said. It is made
   * if it is not there.
   */
  readonly blobs?: string | undefined
}

/**
 * A file to record to. What it had is lost. Where it cannot be written any more that is logged once, the recording ends,
 * and the registry goes on.
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
 * Reads a recording from its text. Empty lines are passed over.
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
