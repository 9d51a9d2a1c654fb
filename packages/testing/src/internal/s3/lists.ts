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

/** What both lists read from a query. */
interface Asked {
  readonly prefix: string
  readonly count: number
  readonly encode: (key: string) => string
  readonly encodingType: string | undefined
}

/** Reads a query, whose parameter `name` says how many items a page may have. Returns the answer to a wrong one. */
const askedBy = (query: URLSearchParams, name: string): Asked | Answer => {
  const count = countOf(query, name, maxPage)
  if (typeof count !== "number") return count
  const encodingType = query.get("encoding-type") ?? undefined
  if (encodingType !== undefined && encodingType !== "url") {
    return failed({ ...failures.invalidArgument, message: "Invalid Encoding Method" })
  }
  return {
    prefix: query.get("prefix") ?? "",
    count: Math.min(count, maxPage),
    encode: encodingType === undefined ? (key) => key : urlEncoded,
    encodingType
  }
}

/** Returns the first items, and the last of them if others follow. */
const pageOf = <A>(items: ReadonlyArray<A>, count: number) => {
  const page = items.slice(0, count)
  return { page, last: items.length > count ? page.at(-1) : undefined }
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
  const asked = askedBy(query, "max-keys")
  const token = query.get("continuation-token")
  const startAfter = query.get("start-after")
  const after = token === null ? undefined : keyOf(token)
  if (!("encode" in asked)) return asked
  if (token !== null && after === undefined) {
    return failed({ ...failures.invalidArgument, message: "The continuation token provided is incorrect" })
  }
  const { count, encode, encodingType, prefix } = asked
  const delimiter = query.get("delimiter")
  const objects = [...bucket.objects].filter(([key, { modified }]) =>
    key.startsWith(prefix) && (startAfter === null || compareKeys(key, startAfter) > 0) && modified + listDelay <= now
  )
  const found = entriesOf(objects, prefix, delimiter === "" ? null : delimiter).filter(({ name }) =>
    after === undefined || compareKeys(name, after) > 0
  )
  const { last, page } = pageOf(found, count)
  return xml(element(
    "ListBucketResult",
    field("Name", name),
    field("Prefix", encode(prefix)),
    field("Delimiter", delimiter === null ? undefined : encode(delimiter)),
    field("StartAfter", startAfter === null ? undefined : encode(startAfter)),
    field("ContinuationToken", token ?? undefined),
    field("NextContinuationToken", last && tokenOf(last.name)),
    field("KeyCount", page.length),
    field("MaxKeys", count),
    field("EncodingType", encodingType),
    field("IsTruncated", last !== undefined),
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
  const asked = askedBy(query, "max-uploads")
  if (!("encode" in asked)) return asked
  if (query.has("delimiter")) return failed(failures.notImplemented)
  const { count, encode, encodingType, prefix } = asked
  const keyMarker = query.get("key-marker") ?? ""
  const idMarker = keyMarker === "" ? "" : query.get("upload-id-marker") ?? ""
  const found = [...bucket.uploads.values()].filter(({ id, key }) => {
    const order = compareKeys(key, keyMarker)
    return key.startsWith(prefix) &&
      (order > 0 || (order === 0 && id > idMarker && (idMarker !== "" || dialect === "ceph")))
  }).sort((a, b) => compareKeys(a.key, b.key) || (a.id < b.id ? -1 : 1))
  const { last, page } = pageOf(found, count)
  return xml(element(
    "ListMultipartUploadsResult",
    field("Bucket", name),
    field("KeyMarker", encode(keyMarker)),
    field("UploadIdMarker", idMarker),
    field("NextKeyMarker", last && encode(last.key)),
    field("NextUploadIdMarker", last?.id),
    field("Prefix", encode(prefix)),
    field("EncodingType", encodingType),
    field("MaxUploads", count),
    field("IsTruncated", last !== undefined),
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
