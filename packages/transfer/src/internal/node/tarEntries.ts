import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import { createTarDecoder } from "modern-tar"
import type { ParsedTarEntry } from "modern-tar"
import { ArchiveRefused, decompressed } from "./decompress.js"
import type { Limits } from "./decompress.js"
import { LayoutInvalid } from "./layoutInvalid.js"

/** Returns a function that creates the error of an archive. The reason follows the words "the archive". */
export const archiveInvalid = (archive: string) => (reason: string, cause?: unknown): LayoutInvalid =>
  new LayoutInvalid({ layout: archive, reason: `the archive ${reason}`, cause })

/** Returns the original error, which a stream may have wrapped. */
const refusal = (error: unknown): ArchiveRefused | LayoutInvalid | undefined => {
  if (error instanceof ArchiveRefused || error instanceof LayoutInvalid) return error
  return error instanceof Error && error.cause !== undefined ? refusal(error.cause) : undefined
}

const wrongBy = (archive: string, what: string) => (error: unknown): LayoutInvalid => {
  const known = refusal(error)
  return known instanceof LayoutInvalid ? known : archiveInvalid(archive)(known?.message ?? what, error)
}

/** A file, a link or a folder in an archive. The caller must read `content`, or run `skip`. */
export interface Entry {
  readonly name: string
  readonly type: ParsedTarEntry["header"]["type"]
  /** The target of a link. */
  readonly link: string | undefined
  readonly size: number
  readonly content: Stream.Stream<Uint8Array, LayoutInvalid>
  readonly skip: Effect.Effect<void>
}

/** Reads the entries of a tar archive as a stream. The archive may be compressed with gzip or zstd. */
export const entries = <E>(
  pieces: Stream.Stream<Uint8Array, E>,
  archive: string,
  limits?: Limits
): Stream.Stream<Entry, LayoutInvalid> =>
  Stream.fromReadableStream(
    () =>
      Stream.toReadableStream(Stream.fromAsyncIterable(decompressed(Stream.toAsyncIterable(pieces), limits), identity))
        .pipeThrough(createTarDecoder({ strict: true })),
    wrongBy(archive, "is damaged, or is not a tar archive")
  ).pipe(Stream.map(({ body, header }) => ({
    name: header.name.replace(/^(?:\.\/)+/, ""),
    type: header.type,
    link: header.linkname,
    size: header.size,
    content: Stream.fromReadableStream(() => body, wrongBy(archive, "is damaged or truncated")),
    skip: Effect.promise(() => body.cancel())
  })))
