import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import * as Source from "@effect-oci/core/Source"

/** Bytes in memory, in the pieces in which they were received. The pieces are never joined, which would need a copy. */
export interface Content {
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly size: number
}

/** The size from which a chunk is a piece of its own, in bytes. Smaller chunks are collected in a buffer. */
const large = 16 * 1024

/**
 * The size of a buffer that collects small chunks, in bytes. Each piece costs about 100 bytes in addition to its
 * content.
 */
const slabSize = 64 * 1024

/**
 * Collects chunks. A chunk that is a small view on a large buffer is copied, because it would keep the whole buffer in
 * memory. `expected` is a hint: the expected number of bytes.
 */
export const gather = (expected: number | undefined) => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  let slab: Uint8Array | undefined
  let used = 0
  const flush = () => {
    if (slab !== undefined && used > 0) chunks.push(used === slab.byteLength ? slab : slab.slice(0, used))
    slab = undefined
    used = 0
  }
  const pack = (chunk: Uint8Array) => {
    let rest = chunk
    while (rest.byteLength > 0) {
      const coming = expected === undefined ? slabSize : expected - size
      slab ??= new Uint8Array(Math.max(rest.byteLength, Math.min(coming, slabSize)))
      const part = rest.subarray(0, slab.byteLength - used)
      slab.set(part, used)
      used += part.byteLength
      size += part.byteLength
      rest = rest.subarray(part.byteLength)
      if (used === slab.byteLength) flush()
    }
  }
  return {
    add: (chunk: Uint8Array): void => {
      if (chunk.byteLength < large) return pack(chunk)
      flush()
      chunks.push(chunk.byteLength * 2 >= chunk.buffer.byteLength ? chunk : new Uint8Array(chunk))
      size += chunk.byteLength
    },
    end: (): Content => {
      flush()
      return { chunks, size }
    }
  }
}

/** Returns the body of content, or of a span of it, without copying the pieces. */
export const toBody = (content: Content, span?: Span): Body.Body => {
  const chunks = span === undefined ? content.chunks : cut(content.chunks, span)
  const [first] = chunks
  if (first === undefined) return Body.empty
  return chunks.length === 1
    ? Body.bytes(first)
    : Body.fromSource(Source.fromChunks(chunks), { size: span?.length ?? content.size, replayable: true })
}

/** Returns the pieces of a span. */
export const cut = (chunks: ReadonlyArray<Uint8Array>, { length, offset }: Span): Array<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  const end = offset + length
  let at = 0
  for (const chunk of chunks) {
    if (at >= end) break
    const part = chunk.subarray(Math.max(0, offset - at), Math.max(0, end - at))
    if (part.byteLength > 0) parts.push(part)
    at += chunk.byteLength
  }
  return parts
}
