/** A registry over the bindings of a worker: bytes in R2, metadata in D1. */
import { RegistryServer } from "@effect-oci/server"
import { Collector, Store } from "@effect-oci/store"
import { R2BlobStore } from "@effect-oci/store-r2"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as D1 from "@effect-oci/store-sql/D1"
import { Effect, Layer, Redacted } from "effect"
import * as access from "./access.js"

/** The bindings of the worker: see `wrangler.toml`. */
export interface Bindings extends access.Bindings {
  readonly BUCKET: R2BlobStore.Bucket
  readonly DB: D1.Database
  /** Signs the ids of upload sessions: at least 16 random characters. */
  readonly UPLOAD_KEY: string
}

/** Whether the tables of the database are known to be there: then this isolate does not look at them again. */
let isMigrated = false

const stores = ({ BUCKET, DB }: Bindings) =>
  Layer.suspend(() => {
    const metadata = SqlMetadataStore.layer().pipe(
      Layer.provide(D1.layer({ database: DB, migrated: isMigrated })),
      Layer.tap(() =>
        Effect.sync(() => {
          isMigrated = true
        })
      )
    )
    return Layer.merge(R2BlobStore.layer({ bucket: BUCKET }), metadata)
  })

/** Answers one request. */
export const app = (bindings: Bindings) => {
  const registry = Store.layer({ collectEvery: "never" }).pipe(Layer.provide(stores(bindings)))
  return RegistryServer.app({
    uploadKey: Redacted.make(bindings.UPLOAD_KEY),
    guard: access.guardOf(bindings),
    address: ({ headers }) => headers["cf-connecting-ip"]
  }).pipe(Effect.provide(registry))
}

/** Deletes what has expired, and what nothing refers to any more. */
export const collect = (bindings: Bindings) => Effect.provide(Collector.collect(), stores(bindings))
