import { createHash } from "node:crypto"

export interface StoredObject {
  readonly bytes: Uint8Array
  /** Without quotes. */
  readonly etag: string
  readonly contentType: string
  readonly modified: number
}

export interface Part {
  readonly bytes: Uint8Array
  readonly etag: string
}

export interface Upload {
  readonly id: string
  readonly key: string
  readonly contentType: string
  readonly initiated: number
  readonly parts: Map<number, Part>
}

export interface Bucket {
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, Upload>
}

/** Whose behaviour the small S3 has where servers differ. */
export type Dialect = "amazon" | "ceph"

export interface State {
  readonly dialect: Dialect
  readonly buckets: Map<string, Bucket>
  readonly minPartSize: number
  /** Milliseconds until a list contains a new key. */
  readonly listDelay: number
  /** Returns a new upload id. */
  readonly newId: () => string
}

export const emptyBucket = (): Bucket => ({ objects: new Map(), uploads: new Map() })

export const md5 = (bytes: Uint8Array | string): Buffer => createHash("md5").update(bytes).digest()

/** Compares in the order of lists: by the bytes of UTF-8. */
export const compareKeys = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
