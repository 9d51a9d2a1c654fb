import * as Digest from "@effect-oci/core/Digest"
import type * as MetadataStore from "../MetadataStore.js"

/** The hash of the bytes of an upload session that have a digest. */
export interface RunningHash {
  readonly hasher: Digest.Hasher
  readonly digest: Digest.Digest
}

/**
 * Keeps the hashes of open upload sessions between chunks, so that no bytes are read twice. A hash cannot be saved, so
 * it exists only in this process. If a session continues in another process, the store reads the bytes again.
 */
export const make = () => {
  const hashes = new Map<string, RunningHash & { readonly keptAt: number }>()
  return {
    /**
     * Returns a copy of the hash of the bytes of a session, or `undefined` if this process does not have it. The digest
     * of the session says which bytes it has: in the meantime another process may have continued it.
     */
    copy: ({ digest, id, offset }: MetadataStore.Upload, algorithm: Digest.Algorithm): Digest.Hasher | undefined => {
      if (offset === 0) return Digest.hasher(algorithm)
      const kept = hashes.get(id)
      return kept !== undefined && kept.digest === digest && Digest.algorithm(digest) === algorithm
        ? kept.hasher.copy()
        : undefined
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
