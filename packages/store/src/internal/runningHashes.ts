import * as Digest from "@effect-oci/core/Digest"

/** The hash of an upload's first `offset` bytes. */
interface RunningHash {
  readonly algorithm: Digest.Algorithm
  readonly hasher: Digest.Hasher
  readonly offset: number
}

/**
 * The hashes of uploads in progress, kept from chunk to chunk so that nothing is read twice. A hash cannot be saved, so
 * these are of this process alone, and one that a broken chunk has spoilt is lost: who finds none reads the bytes again.
 *
 * A hash is taken out while a chunk flows, so that of two chunks at once only one can have it.
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
    /** Drops those of uploads that another process has ended. */
    dropOlderThan: (time: number): void => {
      for (const [id, { keptAt }] of hashes) if (keptAt < time) hashes.delete(id)
    }
  }
}

export type RunningHashes = ReturnType<typeof make>
