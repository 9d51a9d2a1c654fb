import { BlobKey } from "@effect-oci/store/BlobStore"

/*
 * The names of objects:
 *
 *   blobs/KEY                          a blob
 *   uploads/KEY.ID/open                an open upload
 *   uploads/KEY.ID/parts               it may have a multipart upload
 *   uploads/KEY.ID/FENCE-OFFSET-SIZE   the rest of a chunk that does not fill a part
 */

const blobs = "blobs/"
const uploads = "uploads/"

/** A key: a UUID, or another name that contains no separator. */
const pattern = /^[\dA-Za-z][\dA-Za-z_-]{0,127}$/

export const isKey = (key: string): boolean => pattern.test(key)

export const blobsFolder = blobs
export const uploadsFolder = uploads

export const blob = (key: BlobKey): string => blobs + key

/** Returns the key of a blob, or `undefined` if the object is not a blob. */
export const keyOfBlob = (name: string): BlobKey | undefined => {
  const key = name.slice(blobs.length)
  return name.startsWith(blobs) && isKey(key) ? BlobKey(key) : undefined
}

/** An upload, by the names of its objects. */
export interface Named {
  readonly key: BlobKey
  readonly id: string
}

/** Returns the folder of an upload. */
export const folder = ({ id, key }: Named): string => `${uploads}${key}.${encodeURIComponent(id)}/`

/** Returns the beginning of the names of all objects of uploads with a key. */
export const foldersOf = (key: BlobKey): string => `${uploads}${key}.`

/** Returns the name of the object that exists while an upload is open. */
export const marker = (upload: Named): string => `${folder(upload)}open`

/** Returns the name of the object that exists if an upload may have a multipart upload. */
export const partsMarker = (upload: Named): string => `${folder(upload)}parts`

export const isPartsMarker = (name: string): boolean => name.endsWith("/parts")

export const tail = (upload: Named, fence: number, offset: number, size: number): string =>
  `${folder(upload)}${fence}-${offset}-${size}`

/** Returns the upload that a folder belongs to, or `undefined` if the folder is not one of an upload. */
export const uploadOf = (name: string): Named | undefined => {
  const found = /^uploads\/([^./]+)\.([^/]*)\/$/.exec(name)
  const [key, coded] = [found?.[1], found?.[2]]
  if (key === undefined || coded === undefined || !isKey(key)) return undefined
  try {
    return { key: BlobKey(key), id: decodeURIComponent(coded) }
  } catch {
    return undefined
  }
}
