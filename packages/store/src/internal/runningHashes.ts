import * as Digest from "@effect-oci/core/Digest"

/** The hash of an upload's first `offset` bytes. */
export interface RunningHash {
  readonly algorithm: Digest.Algorithm
  readonly hasher: Digest.Hasher
  readonly offset: number
}

/**
 * Keeps the hashes of open upload sessions between chunks, so that no bytes are read twice. A hash cannot be saved, so
 * it exists only in this process. If a session continues in another process, the store reads the bytes again.
 */
export const make = () => {
  const hashes = new Map<string, RunningHash & { readonly keptAt: number }>()
  return {
    /** Returns a copy of the hash of a session at an offset, or `undefined` if this process does not have it. */
    copy: (id: string, offset: number, algorithm: Digest.Algorithm): Digest.Hasher | undefined => {
      if (offset === 0) return Digest.hasher(algorithm)
      const kept = hashes.get(id)
      return kept?.offset === offset && kept.algorithm === algorithm ? kept.hasher.copy() : undefined
    },
    keep: (id: string, hash: RunningHash, keptAt: number): void => {
      hashes.set(id, { ...hash, keptAt })
    },
    drop: (id: string): void => {
      hashes.delete(id)
    },
    /** Drops the hashes of upload sessions that another process has ended. */
    dropOlderThan: (time: number): void => {
      for (const [id, { keptAt }] of hashes) if (keptAt < time) hashes.delete(id)
    }
  }
}

export type RunningHashes = ReturnType<typeof make>
