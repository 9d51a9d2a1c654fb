import { S3BlobStore, S3Credentials } from "@effect-oci/store-s3"
import * as S3 from "@effect-oci/testing/S3"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"

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

const credentials = ({ accessKeyId, secretAccessKey }: Pick<S3Service, "accessKeyId" | "secretAccessKey">) =>
  S3Credentials.layerStatic({ accessKeyId, secretAccessKey: Redacted.make(secretAccessKey) })

/** Creates a layer of the blob store under a prefix of a service. */
export const storeLayer = (service: S3Service, options: Partial<S3BlobStore.Options>) =>
  S3BlobStore.layer({ ...service, forcePathStyle: true, ...options }).pipe(
    Layer.provide([credentials(service), NodeHttpClient.layerUndici])
  )

/** The client of the small S3. Signatures contain the real time, so the small S3 compares it with the real time. */
const clientOf = (s3: S3.S3) => HttpClient.transformResponse(S3.client(s3), Effect.withClock(Clock.make()))

/** Options of a store in the small S3. It repeats calls at once. */
export const smallOptions: S3BlobStore.Options = {
  endpoint: "http://s3.example.com",
  bucket: "bucket",
  region: "us-east-1",
  forcePathStyle: true,
  prefix: "registry/",
  retry: Schedule.recurs(3)
}

/** Creates a layer of a blob store in the small S3. */
export const smallLayer = (s3: S3.S3, options: Partial<S3BlobStore.Options> = {}) =>
  S3BlobStore.layer({ ...smallOptions, ...options }).pipe(
    Layer.provide([credentials(S3.credentials), Layer.succeed(HttpClient.HttpClient, clientOf(s3))])
  )

/** Opens a blob store in the small S3, as one server of several. */
export const openStore = (s3: S3.S3, options: Partial<S3BlobStore.Options> = {}) =>
  S3BlobStore.make({ ...smallOptions, ...options }).pipe(
    Effect.provide([credentials(S3.credentials), Layer.succeed(HttpClient.HttpClient, clientOf(s3))])
  )
