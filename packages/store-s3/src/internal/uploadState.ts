import { BlobKey, UploadToken } from "@effect-oci/store/BlobStore"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as names from "./names.js"

/** Bytes that do not fill a part yet, in an object of their own. Its name contains the fence, the offset and the size. */
export interface Tail {
  readonly fence: number
  readonly size: number
  /** How many of the bytes count: the others were discarded. */
  readonly used: number
}

/** All that is known about an upload. It is the content of its token, so that every node can continue the upload. */
export interface UploadState {
  readonly key: BlobKey
  readonly id: string
  /** The size of each part, in bytes. */
  readonly partSize: number
  /** The highest fence of an append. */
  readonly fence: number
  /** The id of the multipart upload that has the parts. */
  readonly uploadId: string | undefined
  /** The ETags of the parts. Each part is full. */
  readonly etags: ReadonlyArray<string>
  /** The bytes after the parts, in order. */
  readonly tails: ReadonlyArray<Tail>
}

/** Returns the number of bytes in the parts. */
export const partsSize = ({ etags, partSize }: UploadState): number => etags.length * partSize

/** Returns the start of the part that contains an offset. */
export const partStart = ({ partSize }: UploadState, offset: number): number => offset - offset % partSize

/** Returns the number of bytes in tails. */
export const tailsSize = (tails: ReadonlyArray<Tail>): number => tails.reduce((sum, { used }) => sum + used, 0)

export const sizeOf = (state: UploadState): number => partsSize(state) + tailsSize(state.tails)

export const opened = (key: BlobKey, id: string, partSize: number): UploadState => ({
  key,
  id,
  partSize,
  fence: 0,
  uploadId: undefined,
  etags: [],
  tails: []
})

/**
 * Returns the state without the bytes after `size`, or `undefined` if the bytes before `size` cannot be separated from
 * them: they are within a part.
 */
export const truncate = (state: UploadState, size: number): UploadState | undefined => {
  if (size === sizeOf(state)) return state
  const count = Math.floor(size / state.partSize)
  if (count < state.etags.length) {
    if (size % state.partSize !== 0) return undefined
    // Some services complete an upload only with all of its parts, so an upload without bytes starts a new one.
    return {
      ...state,
      uploadId: count === 0 ? undefined : state.uploadId,
      etags: state.etags.slice(0, count),
      tails: []
    }
  }
  let left = size - partsSize(state)
  const tails: Array<Tail> = []
  for (const tail of state.tails) {
    if (left === 0) break
    const used = Math.min(left, tail.used)
    tails.push({ ...tail, used })
    left -= used
  }
  return { ...state, tails }
}

const count = Schema.NonNegativeInt

/** A token as JSON, with short names. A blob of 5 GiB has 640 ETags. Digests are packed into 10 KiB. */
const Coded = Schema.parseJson(Schema.Struct({
  k: Schema.String.pipe(Schema.filter(names.isKey)),
  i: Schema.String,
  p: Schema.Int.pipe(Schema.positive()),
  f: count,
  u: Schema.optional(Schema.String),
  e: Schema.Union(Schema.Uint8ArrayFromBase64Url, Schema.Array(Schema.String)),
  t: Schema.Array(Schema.Tuple(count, count, count))
}))

const decodeJson = Schema.decodeOption(Coded)
const encodeJson = Schema.encodeSync(Coded)

/** An ETag of 16 bytes, as the services compute it. */
const packable = /^[\da-f]{32}$/

const pack = (etags: ReadonlyArray<string>): Uint8Array | ReadonlyArray<string> =>
  etags.every((etag) => packable.test(etag)) ? Either.getOrThrow(Encoding.decodeHex(etags.join(""))) : etags

const unpack = (packed: Uint8Array | ReadonlyArray<string>): ReadonlyArray<string> =>
  packed instanceof Uint8Array
    ? Encoding.encodeHex(packed).match(/.{32}/g) ?? []
    : packed

export const encode = ({ etags, fence, id, key, partSize, tails, uploadId }: UploadState): UploadToken =>
  UploadToken(encodeJson({
    k: key,
    i: id,
    p: partSize,
    f: fence,
    u: uploadId,
    e: pack(etags),
    t: tails.map(({ fence, size, used }) => [fence, size, used] as const)
  }))

/** Returns the state in a token, or `undefined` for a token of another store. */
export const decode = (token: UploadToken): UploadState | undefined =>
  Option.getOrUndefined(Option.map(decodeJson(token), ({ e, f, i, k, p, t, u }) => ({
    key: BlobKey(k),
    id: i,
    partSize: p,
    fence: f,
    uploadId: u,
    etags: unpack(e),
    tails: t.map(([fence, size, used]) => ({ fence, size, used }))
  })))
