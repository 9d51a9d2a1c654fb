import * as Digest from "@effect-oci/core/Digest"

/** The hash of an upload's first `offset` bytes. */
interface RunningHash {
  readonly algorithm: Digest.Algorithm
  readonly hasher: Digest.Hasher
  readonly offset: number
}

/**
 * Keeps the hashes of open upload sessions between chunks, so that no bytes are read twice. A hash cannot be saved, so
 * it exists only in this process. A chunk that breaks off makes its hash invalid. If there is no valid hash, the store
 * reads the bytes again.
 *
 * A hash is removed while a chunk flows, so that only one of two concurrent chunks can use it.
 */
export const make = () => {
  const hashes = new Map<string, RunningHash & { readonly keptAt: number }>()
  return {
    take: (id: string, offset: number, algorithm: Digest.Algorithm): RunningHash | undefined => {
      const kept = hashes.get(id)
      hashes.delete(id)
      if (offset === 0) return { algorithm, hasher: Digest.hasher(algorithm), offset }
      return kept?.offset === offset && kept.algorithm === algorithm ? kept : undefined
    },
    keep: (id: string, { algorithm, hasher }: RunningHash, offset: number, keptAt: number): void => {
      hashes.set(id, { algorithm, hasher, offset, keptAt })
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
