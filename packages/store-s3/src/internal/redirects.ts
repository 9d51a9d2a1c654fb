import type { BlobKey, Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Client } from "./client.js"
import * as names from "./names.js"

/** The longest time for which S3 accepts a signature. */
const maxTtl = Duration.days(7)

/**
 * Creates the function that returns URLs of blobs. Returns `undefined` if the credentials expire before the URL would: it would
 * end with them.
 */
export const make = (client: Client, bucketUrl: URL): NonNullable<Service["redirectUrl"]> => (key: BlobKey, ttl) =>
  Effect.gen(function*() {
    const credentials = yield* client.credentials.get
    const seconds = Math.ceil(Duration.toSeconds(Duration.min(ttl, maxTtl)))
    const expires = credentials.expiration
    const end = (yield* Clock.currentTimeMillis) + seconds * 1000
    if (!names.isKey(key) || seconds < 1 || (expires !== undefined && DateTime.toEpochMillis(expires) < end)) {
      return undefined
    }
    return yield* Effect.promise(() => client.signer.presign(names.blob(key), bucketUrl, seconds, credentials))
  }).pipe(Effect.mapError((cause) => new StoreError.Failed({ cause })))
