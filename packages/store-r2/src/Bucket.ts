/**
 * The part of Cloudflare's binding of a bucket that the store uses. Its types are declared here, so that no package of
 * Cloudflare is needed. `R2Bucket` of Cloudflare has this shape.
 *
 * @since 0.1.0
 */

/**
 * What R2 knows of an object.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredObject {
  readonly key: string
  readonly size: number
  readonly etag: string
  readonly customMetadata?: { readonly [name: string]: string } | undefined
}

/**
 * An object with its content.
 *
 * @since 0.1.0
 * @category models
 */
export interface ObjectContent extends StoredObject {
  readonly body: ReadableStream<Uint8Array>
  readonly arrayBuffer: () => Promise<ArrayBuffer>
}

/**
 * A part that a multipart upload has received.
 *
 * @since 0.1.0
 * @category models
 */
export interface UploadedPart {
  readonly partNumber: number
  readonly etag: string
}

/**
 * A multipart upload.
 *
 * @since 0.1.0
 * @category models
 */
export interface MultipartUpload {
  readonly uploadId: string
  readonly uploadPart: (number: number, value: Uint8Array) => Promise<UploadedPart>
  readonly complete: (parts: Array<UploadedPart>) => Promise<unknown>
  readonly abort: () => Promise<void>
}

/**
 * A bucket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bucket {
  readonly head: (key: string) => Promise<StoredObject | null>
  readonly get: (
    key: string,
    options?: { readonly range?: { readonly offset: number; readonly length: number } }
  ) => Promise<ObjectContent | null>
  /** Returns `null` if `onlyIf` does not hold. */
  readonly put: (
    key: string,
    value: Uint8Array,
    options?: {
      readonly customMetadata?: Record<string, string>
      readonly onlyIf?: { readonly etagMatches: string }
    }
  ) => Promise<StoredObject | null>
  readonly delete: (keys: Array<string>) => Promise<void>
  readonly list: (options: {
    readonly prefix: string
    readonly startAfter?: string
    readonly cursor?: string
    readonly limit?: number
    readonly include?: Array<"customMetadata">
  }) => Promise<{
    readonly objects: ReadonlyArray<StoredObject>
    readonly truncated: boolean
    readonly cursor?: string
  }>
  readonly createMultipartUpload: (key: string) => Promise<MultipartUpload>
  readonly resumeMultipartUpload: (key: string, uploadId: string) => MultipartUpload
}
