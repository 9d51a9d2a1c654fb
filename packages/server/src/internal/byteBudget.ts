/** The bytes of each body that do not count, so that usual requests succeed while an attack uses up the budget. */
export const free = 16 * 1024

/** The memory that a piece of a body uses in addition to its bytes, in bytes. */
const pieceOverhead = 200

/** The bytes of one body in memory. */
export interface Account {
  /** Counts a piece of the body. Returns whether there is room for the piece. */
  readonly take: (bytes: number) => boolean
  /** Releases all bytes of the body. */
  readonly release: () => void
}

/** Counts the bytes of bodies in the memory of a server: per client and in total. */
export interface ByteBudget {
  readonly open: (client: string) => Account
  /**
   * Returns whether `bytes` more bytes are within the limits. Bytes that alone exceed the limit of a client have room
   * while that client uses no others.
   */
  readonly hasRoom: (client: string, bytes: number) => boolean
}

export interface Limits {
  readonly total: number
  readonly perClient: number
}

export const make = ({ perClient, total }: Limits): ByteBudget => {
  const clients = new Map<string, number>()
  let inUse = 0
  const add = (client: string, bytes: number): void => {
    inUse += bytes
    const ofClient = (clients.get(client) ?? 0) + bytes
    if (ofClient === 0) clients.delete(client)
    else clients.set(client, ofClient)
  }
  const fits = (client: string, bytes: number): boolean =>
    inUse + bytes <= total && (clients.get(client) ?? 0) + bytes <= perClient
  return {
    hasRoom: (client, bytes) => fits(client, Math.min(bytes, perClient, total)),
    open: (client) => {
      let size = 0
      let counted = 0
      return {
        take: (bytes) => {
          size += bytes + pieceOverhead
          const more = Math.max(0, size - free) - counted
          if (more === 0) return true
          if (!fits(client, more)) return false
          counted += more
          add(client, more)
          return true
        },
        release: () => {
          add(client, -counted)
          counted = 0
        }
      }
    }
  }
}
