/** Decompresses a layer piece by piece, so that a small layer cannot fill the memory or stop the page. */
import * as ZstdFrames from "@effect-oci/transfer/ZstdFrames"

type Pieces = AsyncIterable<Uint8Array>

/** The layer cannot be read. The message says why, and what to do. */
export class LayerRefused extends Error {
  override readonly name = "LayerRefused"
}

/** A decoder that gives its results to a callback. */
interface Decoder {
  readonly push: (piece: Uint8Array, isLast: boolean) => void
}

/** How many compressed bytes are decompressed in one step. They expand to a few MiB at most. */
const step = { gzip: 4 * 1024, zstd: 8 * 1024 }

type Format = keyof typeof step

const starts: { readonly [format in Format]: ReadonlyArray<number> } = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd]
}

const others: ReadonlyArray<readonly [name: string, start: ReadonlyArray<number>]> = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]]
]

const startsWith = (piece: Uint8Array, start: ReadonlyArray<number>): boolean =>
  start.every((byte, at) => piece[at] === byte)

/** Lets the browser draw and react between two steps. */
const breathe = (): () => Promise<void> => {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < 12) return
    await new Promise<void>((resolve) => {
      setTimeout(resolve)
    })
    last = performance.now()
  }
}

const decoderOf = async (format: Format, found: (piece: Uint8Array) => void): Promise<Decoder> => {
  if (format === "gzip") {
    const { Gunzip } = await import("fflate")
    const decoder = new Gunzip((piece) => found(piece))
    return { push: (piece, isLast) => decoder.push(piece, isLast) }
  }
  const { Decompress } = await import("fzstd")
  const decoder = new Decompress((piece) => found(piece))
  const check = ZstdFrames.frameGuard((reason) => {
    throw new LayerRefused(`The layer ${reason}.`)
  })
  return {
    push: (piece, isLast) => {
      check(piece)
      decoder.push(piece, isLast)
    }
  }
}

const decoded = async function*(pieces: Pieces, format: Format): AsyncGenerator<Uint8Array> {
  let ready: Array<Uint8Array> = []
  const decoder = await decoderOf(format, (piece) => ready.push(piece))
  const pause = breathe()
  const push = (piece: Uint8Array, isLast: boolean): ReadonlyArray<Uint8Array> => {
    ready = []
    try {
      decoder.push(piece, isLast)
    } catch (error) {
      throw error instanceof LayerRefused
        ? error
        : new LayerRefused(`The layer is not valid ${format}.`, { cause: error })
    }
    return ready
  }
  for await (const piece of pieces) {
    for (let at = 0; at < piece.byteLength; at += step[format]) {
      yield* push(piece.subarray(at, at + step[format]), false)
      await pause()
    }
  }
  yield* push(new Uint8Array(0), true)
}

const formatOf = (start: Uint8Array): Format | undefined => {
  const other = others.find(([, bytes]) => startsWith(start, bytes))
  if (other !== undefined) {
    throw new LayerRefused(
      `The layer is compressed with ${other[0]}, which this page cannot read. Download it instead.`
    )
  }
  return (Object.keys(starts) as Array<Format>).find((format) => startsWith(start, starts[format]))
}

/** Returns the bytes of a stream. Cancels the stream if the reader ends early. */
export const pieces = async function*(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Decompresses content. gzip and zstd are recognised by their first bytes; other content passes unchanged. */
export const decompressed = async function*(content: Pieces): AsyncGenerator<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]()
  let start = new Uint8Array(0)
  while (start.byteLength < 6) {
    const next = await iterator.next()
    if (next.done === true) break
    const longer = new Uint8Array(start.byteLength + next.value.byteLength)
    longer.set(start)
    longer.set(next.value, start.byteLength)
    start = longer
  }
  const all = async function*() {
    yield start
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  const format = formatOf(start)
  if (format === undefined) yield* all()
  else yield* decoded(all(), format)
}
