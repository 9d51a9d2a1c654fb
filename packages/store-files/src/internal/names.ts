import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import * as Effect from "effect/Effect"
import * as files from "../NodeDurableFile.js"

/** The names of files that are keys: a UUID, or another name that cannot lead out of its directory. */
const pattern = /^[\dA-Za-z][\dA-Za-z_-]{0,127}$/

/** Fails if a key cannot be the name of a file. */
export const check = (key: BlobKey): files.FileEffect<void> =>
  pattern.test(key)
    ? Effect.void
    : Effect.fail(new files.FileError("create", JSON.stringify(key), undefined, "the key is not a UUID"))

/** Returns whether a key can be the name of a file. */
export const isKey = (key: string): boolean => pattern.test(key)

/** Lists the keys in a directory, sorted. Other files are left out. */
export const list = (path: string): files.FileEffect<ReadonlyArray<string>> =>
  Effect.map(
    files.attempt("list", path, (system) => system.readdir(path)),
    (found) => found.filter((name) => pattern.test(name)).sort()
  )

/** Returns the token of an upload. It is the name of its file, which contains the key and the id. */
export const tokenOf = (key: BlobKey, id: string): UploadToken => UploadToken(`${key}.${encodeURIComponent(id)}`)

/** Returns the key and the id of a token, or `undefined` for a token of another kind. */
export const parseToken = (token: string): { readonly key: BlobKey; readonly id: string } | undefined => {
  const dot = token.indexOf(".")
  const key = BlobKey(token.slice(0, Math.max(dot, 0)))
  try {
    const id = decodeURIComponent(token.slice(dot + 1))
    return pattern.test(key) && tokenOf(key, id) === token ? { key, id } : undefined
  } catch {
    return undefined
  }
}
