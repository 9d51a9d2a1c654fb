/** Counts the bytes that stores in memory hold together, up to a limit. */
export interface Room {
  /** Takes bytes if there is room for them, and returns whether there was. */
  readonly take: (bytes: number) => boolean
  /** Gives back bytes that were taken. */
  readonly release: (bytes: number) => void
}

export const make = (maxBytes: number): Room => {
  let held = 0
  return {
    take: (bytes) => {
      const fits = held + bytes <= maxBytes
      if (fits) held += bytes
      return fits
    },
    release: (bytes) => {
      held -= bytes
    }
  }
}
