/** Counts the bytes of several stores in memory together, up to a limit. */
export interface Room {
  /** Reserves bytes if there is room for them. Returns whether there was room. */
  readonly take: (bytes: number) => boolean
  /** Releases reserved bytes. */
  readonly release: (bytes: number) => void
}

export const make = (maxBytes: number): Room => {
  let used = 0
  return {
    take: (bytes) => {
      const fits = used + bytes <= maxBytes
      if (fits) used += bytes
      return fits
    },
    release: (bytes) => {
      used -= bytes
    }
  }
}
