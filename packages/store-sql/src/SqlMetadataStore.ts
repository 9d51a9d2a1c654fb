/**
 * A metadata store in SQL. The statements are the same for SQLite and PostgreSQL. Each command is one batch of
 * statements with conditions: nothing is read between the statements of a command.
 *
 * @since 0.1.0
 */
import * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as blobs from "./internal/commands/blobs.js"
import * as collector from "./internal/commands/collector.js"
import * as lists from "./internal/commands/lists.js"
import * as manifests from "./internal/commands/manifests.js"
import * as uploads from "./internal/commands/uploads.js"
import { Database } from "./internal/database.js"
import * as migrate from "./internal/migrate.js"
import { SqlBatch } from "./SqlBatch.js"

/**
 * The database has a newer schema than this version of the library knows.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaTooNew extends Data.TaggedError("SchemaTooNew")<{
  readonly found: number
  readonly supported: number
}> {
  override get message() {
    return `cannot open the metadata store: its schema has version ${this.found}, and this program knows versions up to ` +
      `${this.supported}; run the newer version of the program, or restore a backup from before its upgrade`
  }
}

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

/** The schema of a database that is opened for reading only is not upgraded. */
const tooOld = (found: number, supported: number) =>
  `the schema of the metadata store has version ${found}, not ${supported}; start the registry once, which upgrades it`

/**
 * Creates a metadata store, and creates or upgrades the tables of its database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<MetadataStore.Service, SchemaTooNew | StoreError.Failed, SqlBatch> =>
  Effect.gen(function*() {
    const db = new Database(yield* SqlBatch)
    const { found, supported } = yield* migrate.run(db)
    if (found > supported) return yield* new SchemaTooNew({ found, supported })
    if (db.isReadOnly && found < supported) {
      return yield* new StoreError.Failed({ cause: new Error(tooOld(found, supported)) })
    }
    return {
      ...blobs.make(db),
      ...manifests.make(db),
      ...lists.make(db),
      ...uploads.make(db),
      ...collector.make(db, { eventsKept: options.eventsKept ?? 100_000 })
    }
  })

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
