/**
 * A metadata store in SQL. The statements are the same for SQLite and PostgreSQL. Each command is one batch of
 * statements with conditions: nothing is read between the statements of a command.
 *
 * @since 0.1.0
 */
import * as MetadataStore from "@effect-oci/store/MetadataStore"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as store from "./internal/commands/store.js"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { SqlBatch } from "./SqlBatch.js"

export { SchemaTooNew } from "./internal/schemaVersion.js"

/**
 * Options for {@link layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How many events the table `event` keeps, the newest ones. Each push and delete of a manifest and each change of a
   * tag is an event.
   *
   * @default 100_000
   */
  readonly eventsKept?: number | undefined
}

/**
 * Creates a metadata store, and creates or upgrades the tables of its database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<MetadataStore.Service, SchemaTooNew | StoreError.Failed, SqlBatch> =>
  Effect.map(open, (db) => store.make(db, { eventsKept: options.eventsKept ?? 100_000 }))

/**
 * Creates a layer with a metadata store in SQL.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { SqlMetadataStore } from "@effect-oci/store-sql"
 * import * as Sqlite from "@effect-oci/store-sql/Sqlite"
 * import { Layer } from "effect"
 *
 * const metadata = SqlMetadataStore.layer().pipe(Layer.provide(Sqlite.layer({ filename: "registry.db" })))
 * ```
 */
export const layer = (
  options?: Options
): Layer.Layer<MetadataStore.MetadataStore, SchemaTooNew | StoreError.Failed, SqlBatch> =>
  Layer.effect(MetadataStore.MetadataStore, make(options))
