/** The two lists: objects and multipart uploads. */
import type { Answer } from "./answer.js"
import { element, failed, failures, field, xml } from "./answer.js"
import { countOf } from "./call.js"
import type { Incoming } from "./call.js"
import type { Bucket, State, StoredObject } from "./state.js"
import { compareKeys } from "./state.js"

const maxPage = 1000

/** Encodes a key as `encoding-type=url` requires: as in a form, but `/` stays. */
const urlEncoded = (key: string): string =>
  encodeURIComponent(key).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`).replace(
    /%2F/g,
    "/"
  ).replace(/%20/g, "+")

const encoderOf = (query: URLSearchParams): ((key: string) => string) | Answer => {
  const type = query.get("encoding-type")
  if (type === null) return (key) => key
  return type === "url" ? urlEncoded : failed({ ...failures.invalidArgument, message: "Invalid Encoding Method" })
}

const tokenOf = (key: string): string => `1${Buffer.from(key).toString("base64")}`

const keyOf = (token: string): string | undefined => {
  const key = Buffer.from(token.slice(1), "base64").toString()
  return tokenOf(key) === token ? key : undefined
}

/** An object, or all objects whose keys begin with a common prefix. */
interface Entry {
  readonly name: string
  readonly object: StoredObject | undefined
}

/** Returns the entries of a list in order, in which a folder takes the place of its objects. */
const entriesOf = (
  objects: Iterable<readonly [string, StoredObject]>,
  prefix: string,
  delimiter: string | null
): ReadonlyArray<Entry> => {
  const entries = new Map<string, Entry>()
  for (const [key, object] of objects) {
    const at = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
    const name = at < 0 ? key : key.slice(0, at + (delimiter ?? "").length)
    entries.set(name, { name, object: at < 0 ? object : undefined })
  }
  return [...entries.values()].sort((a, b) => compareKeys(a.name, b.name))
}

const shown = (encode: (key: string) => string) => ({ name, object }: Entry): string =>
  object === undefined
    ? element("CommonPrefixes", field("Prefix", encode(name)))
    : element(
      "Contents",
      field("Key", encode(name)),
      field("LastModified", new Date(object.modified).toISOString()),
      field("ETag", `"${object.etag}"`),
      field("Size", object.bytes.byteLength),
      field("StorageClass", "STANDARD")
    )

/** <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html> */
export const listObjects = (
  { bucket: name, now, query }: Incoming,
  bucket: Bucket,
  { listDelay }: State
): Answer => {
  const encode = encoderOf(query)
  const asked = countOf(query, "max-keys", maxPage)
  const token = query.get("continuation-token")
  const startAfter = query.get("start-after")
  const after = token === null ? undefined : keyOf(token)
  if (typeof asked !== "number") return asked
  if (typeof encode !== "function") return encode
  if (token !== null && after === undefined) {
    return failed({ ...failures.invalidArgument, message: "The continuation token provided is incorrect" })
  }
  const count = Math.min(asked, maxPage)
  const prefix = query.get("prefix") ?? ""
  const delimiter = query.get("delimiter")
  const objects = [...bucket.objects].filter(([key, { modified }]) =>
    key.startsWith(prefix) && (startAfter === null || compareKeys(key, startAfter) > 0) && modified + listDelay <= now
  )
  const found = entriesOf(objects, prefix, delimiter === "" ? null : delimiter).filter(({ name }) =>
    after === undefined || compareKeys(name, after) > 0
  )
  const page = found.slice(0, count)
  const last = page.at(-1)
  const more = found.length > count && last !== undefined
  return xml(element(
    "ListBucketResult",
    field("Name", name),
    field("Prefix", encode(prefix)),
    field("Delimiter", delimiter === null ? undefined : encode(delimiter)),
    field("StartAfter", startAfter === null ? undefined : encode(startAfter)),
    field("ContinuationToken", token ?? undefined),
    field("NextContinuationToken", more ? tokenOf(last.name) : undefined),
    field("KeyCount", page.length),
    field("MaxKeys", count),
    field("EncodingType", query.get("encoding-type") ?? undefined),
    field("IsTruncated", more),
    ...page.map(shown(encode))
  ))
}

/**
 * Without an upload id as marker, a page begins after all uploads of the key; Ceph begins it with them.
 * <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
 */
export const listUploads = (
  { bucket: name, query }: Incoming,
  bucket: Bucket,
  { dialect }: State
): Answer => {
  const encode = encoderOf(query)
  const asked = countOf(query, "max-uploads", maxPage)
  if (typeof asked !== "number") return asked
  if (typeof encode !== "function") return encode
  if (query.has("delimiter")) return failed(failures.notImplemented)
  const count = Math.min(asked, maxPage)
  const prefix = query.get("prefix") ?? ""
  const keyMarker = query.get("key-marker") ?? ""
  const idMarker = keyMarker === "" ? "" : query.get("upload-id-marker") ?? ""
  const found = [...bucket.uploads.values()].filter(({ id, key }) => {
    const order = compareKeys(key, keyMarker)
    return key.startsWith(prefix) &&
      (order > 0 || (order === 0 && id > idMarker && (idMarker !== "" || dialect === "ceph")))
  }).sort((a, b) => compareKeys(a.key, b.key) || (a.id < b.id ? -1 : 1))
  const page = found.slice(0, count)
  const last = page.at(-1)
  const more = found.length > count && last !== undefined
  return xml(element(
    "ListMultipartUploadsResult",
    field("Bucket", name),
    field("KeyMarker", encode(keyMarker)),
    field("UploadIdMarker", idMarker),
    field("NextKeyMarker", more ? encode(last.key) : undefined),
    field("NextUploadIdMarker", more ? last.id : undefined),
    field("Prefix", encode(prefix)),
    field("EncodingType", query.get("encoding-type") ?? undefined),
    field("MaxUploads", count),
    field("IsTruncated", more),
    ...page.map(({ id, initiated, key }) =>
      element(
        "Upload",
        field("Key", encode(key)),
        field("UploadId", id),
        field("StorageClass", "STANDARD"),
        field("Initiated", new Date(initiated).toISOString())
      )
    )
  ))
}
