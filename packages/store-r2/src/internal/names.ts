/** The names of the objects in a bucket. */
import type { BlobKey } from "@effect-oci/store/BlobStore"

export const blobs = "blobs/"
export const markers = "uploads/"

/** The bytes of a blob. */
export const blob = (key: BlobKey): string => blobs + key

/** The marker of an open upload. */
export const marker = (key: BlobKey): string => markers + key

/** The bytes of an upload after its last full part, under one prefix. */
export const tails = (key: BlobKey): string => `tails/${key}/`

/** The bytes that one claim of an upload stored at an offset. No other claim has the name. */
export const tail = (key: BlobKey, fence: number, offset: number): string => `${tails(key)}${fence}-${offset}`
