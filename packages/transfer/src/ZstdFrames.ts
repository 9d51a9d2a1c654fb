/**
 * Checks zstd content before a decoder reads it.
 *
 * @since 0.1.0
 */

/**
 * The maximum window size, in bytes. Every decoder should support this size. Larger windows are refused, because the decoder
 * allocates and moves the whole window for each block. See
 * [RFC 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1.2).
 */
const maxWindow = 8 * 1024 * 1024

const magic = 0xfd2fb528
const isSkippable = (number: number): boolean => (number & 0xfffffff0) >>> 0 === 0x184d2a50

/** Returns the size of a frame header (magic number, window, dictionary, content size) from its descriptor byte. */
const headerSize = (descriptor: number): number => {
  const single = (descriptor >> 5) & 1
  const content = descriptor >> 6
  return 5 + (1 - single) + [0, 1, 2, 4][descriptor & 3]! + (content === 0 ? single : 1 << content)
}

const windowOf = (header: Uint8Array): number => {
  const descriptor = header[4]!
  if ((descriptor & 0x20) === 0) {
    const exponent = header[5]! >> 3
    const base = 2 ** (10 + exponent)
    return base + (base / 8) * (header[5]! & 7)
  }
  const size = descriptor >> 6
  const at = headerSize(descriptor) - (size === 0 ? 1 : 1 << size)
  let content = size === 1 ? 256 : 0
  for (let byte = at; byte < header.byteLength; byte++) content += header[byte]! * 2 ** (8 * (byte - at))
  return content
}

/**
 * Parses the frames and blocks of a zstd stream without decompressing them, and refuses a frame with a window that is too
 * large before a decoder reads the frame: call the function that is returned with each piece, before the decoder.
 * `refuse` throws the error for a reason, which follows the words "the archive". See [RFC
 * 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1).
 *
 * @since 0.1.0
 * @category guards
 */
export const frameGuard = (refuse: (reason: string) => never): (piece: Uint8Array) => void => {
  let state: "frame" | "block" = "frame"
  let skip = 0
  let last = false
  let checksum = false
  let buffered = new Uint8Array(0)

  /** Parses a complete header at the start of `buffered`. Returns its size in bytes, or 0 if more bytes are needed. */
  const step = (): number => {
    if (state === "block") {
      if (buffered.byteLength < 3) return 0
      const header = buffered[0]! | (buffered[1]! << 8) | (buffered[2]! << 16)
      last = (header & 1) === 1
      skip = ((header >> 1) & 3) === 1 ? 1 : header >> 3
      if (last) {
        skip += checksum ? 4 : 0
        state = "frame"
      }
      return 3
    }
    if (buffered.byteLength < 5) return 0
    const view = new DataView(buffered.buffer, buffered.byteOffset)
    const number = view.getUint32(0, true)
    if (isSkippable(number)) {
      if (buffered.byteLength < 8) return 0
      skip = view.getUint32(4, true)
      return 8
    }
    // This is not a zstd frame: the decoder reports the error.
    if (number !== magic) return buffered.byteLength
    const size = headerSize(buffered[4]!)
    if (buffered.byteLength < size) return 0
    const window = windowOf(buffered.subarray(0, size))
    if (window > maxWindow) {
      refuse(
        `uses a zstd window of ${Math.ceil(window / 1024 / 1024)} MiB, larger than ${maxWindow / 1024 / 1024} MiB; ` +
          "decompress it first, or compress it without --long and --ultra"
      )
    }
    checksum = (buffered[4]! & 4) !== 0
    state = "block"
    return size
  }

  return (piece) => {
    buffered = buffered.byteLength === 0 ? piece.slice() : concat(buffered, piece)
    while (buffered.byteLength > 0) {
      const passed = Math.min(skip, buffered.byteLength)
      skip -= passed
      buffered = buffered.subarray(passed)
      if (skip > 0 || buffered.byteLength === 0) return
      const taken = step()
      if (taken === 0) return
      buffered = buffered.subarray(taken)
    }
  }
}

const concat = (one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> => {
  const both = new Uint8Array(one.byteLength + other.byteLength)
  both.set(one)
  both.set(other, one.byteLength)
  return both
}
