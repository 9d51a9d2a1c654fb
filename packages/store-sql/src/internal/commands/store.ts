import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import type { Database } from "../database.js"
import * as blobs from "./blobs.js"
import * as collector from "./collector.js"
import * as lists from "./lists.js"
import * as manifests from "./manifests.js"
import * as uploads from "./uploads.js"

/** All commands of a metadata store. */
export const make = (db: Database, options: { readonly eventsKept: number }): MetadataStore.Service => ({
  ...blobs.make(db),
  ...manifests.make(db),
  ...lists.make(db),
  ...uploads.make(db),
  ...collector.make(db, options)
})
