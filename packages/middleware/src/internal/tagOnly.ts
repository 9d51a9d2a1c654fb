import type { Manifest } from "@effect-oci/core"

const tagOnly = new WeakSet<Manifest.Manifest>()

/** Returns the manifest with a mark: the registry served it by a tag, and does not serve it by its digest. */
export const mark = (manifest: Manifest.Manifest): Manifest.Manifest => {
  const marked = { ...manifest }
  tagOnly.add(marked)
  return marked
}

/**
 * Returns whether a manifest has the mark. Wrappers forward a manifest unchanged, so a cache sees the mark through
 * them.
 */
export const isMarked = (manifest: Manifest.Manifest): boolean => tagOnly.has(manifest)
