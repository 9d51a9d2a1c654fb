import { S3BlobStore, S3Credentials } from "@effect-oci/store-s3"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** An S3 service to test against. */
export interface S3Service {
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

let places = 0

/** Returns a new prefix in the bucket, so that each test has a store of its own. */
export const newPrefix = Effect.sync(() => `test-${Date.now().toString(36)}-${places++}/`)

export const httpClient = NodeHttpClient.layerUndici

/** Creates a layer of the blob store under a prefix. */
export const storeLayer = (
  { accessKeyId, secretAccessKey, ...service }: S3Service,
  options: Partial<S3BlobStore.Options>
) =>
  S3BlobStore.layer({ ...service, forcePathStyle: true, ...options }).pipe(
    Layer.provide(S3Credentials.layerStatic({ accessKeyId, secretAccessKey: Redacted.make(secretAccessKey) })),
    Layer.provide(httpClient)
  )
