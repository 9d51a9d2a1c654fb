import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as zlib from "node:zlib"
import { frameGuard } from "../../ZstdFrames.js"

/**
 * Limits of how much a compressed archive may expand.
 *
 * @since 0.1.0
 * @category options
 */
export interface Limits {
  /** The maximum size of a decompressed archive, in bytes. Default: 256 GiB. */
  readonly maxBytes?: number | undefined
  /** The maximum ratio of the decompressed size to the compressed size. Default: 200. */
  readonly maxRatio?: number | undefined
}

/** The error for an archive that is refused. */
export class ArchiveRefused extends Error {
  readonly _tag = "ArchiveRefused"
}

type Pieces = AsyncIterable<Uint8Array>

const starts = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  bzip2: [0x42, 0x5a, 0x68],
  lz4: [0x04, 0x22, 0x4d, 0x18]
} as const

type Format = keyof typeof starts

const longest = 6

const formatOf = (start: Uint8Array): Format | undefined =>
  (Object.keys(starts) as Array<Format>).find((format) => starts[format].every((byte, at) => start[at] === byte))

/** Returns the first bytes of a stream, and the whole stream. */
const peek = async (pieces: Pieces): Promise<{ readonly start: Uint8Array; readonly all: Pieces }> => {
  const iterator = pieces[Symbol.asyncIterator]()
  const read: Array<Uint8Array> = []
  let size = 0
  while (size < longest) {
    const next = await iterator.next()
    if (next.done === true) break
    read.push(next.value)
    size += next.value.byteLength
  }
  const all = async function*() {
    yield* read
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  return { start: Buffer.concat(read), all: all() }
}

/** Counts decompressed bytes. Throws if an archive expands to more than the limits. */
type Grow = (bytes: number) => void

const gunzip = async function*(pieces: Pieces, grow: Grow) {
  const unzip = zlib.createGunzip({ chunkSize: 64 * 1024 })
  const done = pipeline(Readable.from(pieces), unzip)
  // The loop below fails with the same error.
  done.catch(() => {})
  try {
    for await (const piece of unzip as Pieces) {
      grow(piece.byteLength)
      yield piece
    }
    await done
  } finally {
    unzip.destroy()
  }
}

/** The compressed bytes to decompress in one step: small, so that the result fits in memory. */
const zstdPiece = 16 * 1024

const unzstd = async function*(pieces: Pieces, grow: Grow) {
  const { Decompress } = await import("fzstd")
  let ready: Array<Uint8Array> = []
  const decoder = new Decompress((piece) => {
    grow(piece.byteLength)
    ready.push(piece)
  })
  const check = frameGuard((reason) => {
    throw new ArchiveRefused(reason)
  })
  for await (const piece of pieces) {
    for (let at = 0; at < piece.byteLength; at += zstdPiece) {
      const part = piece.subarray(at, at + zstdPiece)
      check(part)
      decoder.push(part)
      yield* ready
      ready = []
    }
  }
  decoder.push(new Uint8Array(0), true)
  yield* ready
}

/** Up to this size, the ratio of an archive is not limited. */
const smallBytes = 16 * 1024 * 1024

const inMiB = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`

/** Decompresses an archive. Throws if it expands to more than the limits. */
const bounded = async function*(
  pieces: Pieces,
  decompress: (pieces: Pieces, grow: Grow) => Pieces,
  { maxBytes = 256 * 1024 ** 3, maxRatio = 200 }: Limits
) {
  let read = 0
  let expanded = 0
  const counted = async function*() {
    for await (const piece of pieces) {
      read += piece.byteLength
      yield piece
    }
  }
  yield* decompress(counted(), (bytes) => {
    expanded += bytes
    if (expanded > maxBytes) throw new ArchiveRefused(`expands to more than ${inMiB(maxBytes)}; raise \`maxBytes\``)
    if (expanded > smallBytes && expanded > read * maxRatio) {
      throw new ArchiveRefused(
        `expands to more than ${maxRatio} times its size, as a decompression bomb does; raise \`maxRatio\` to read it`
      )
    }
  })
}

/**
 * Decompresses an archive while it is read. gzip and zstd are recognised by their first bytes; an uncompressed archive
 * passes unchanged. Throws {@link ArchiveRefused} for bzip2, lz4 and xz, and for archives that expand too much.
 */
export const decompressed = async function*(pieces: Pieces, limits: Limits = {}): AsyncGenerator<Uint8Array> {
  const { all, start } = await peek(pieces)
  const format = formatOf(start)
  switch (format) {
    case undefined:
      return yield* all
    case "gzip":
      return yield* bounded(all, gunzip, limits)
    case "zstd":
      return yield* bounded(all, unzstd, limits)
    case "bzip2":
    case "lz4":
    case "xz":
      throw new ArchiveRefused(
        `is compressed with ${format}, which is not supported; decompress it first, or use gzip or zstd`
      )
  }
}
