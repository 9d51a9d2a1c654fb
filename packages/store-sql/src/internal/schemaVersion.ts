/** The version of the schema that a database has, and which programs may use it. */
import * as Data from "effect/Data"

/**
 * The database has a newer schema than this version of the library knows, and the newer version does not allow this one
 * to use the database.
 *
 * @since 0.1.0
 * @category errors
 */
export class SchemaTooNew extends Data.TaggedError("OciSchemaTooNew")<{
  readonly found: number
  readonly supported: number
}> {
  override get message() {
    return `cannot use the metadata store: its schema has version ${this.found}, and this program knows versions up to ` +
      `${this.supported}; run the newer version of the program, or restore a backup from before its upgrade`
  }
}

/**
 * A condition for the rows of `migration m LEFT JOIN compatibility c`: migrations that forbid a program that knows a
 * version to read or write. They name the oldest version of the schema whose programs can. Migrations that name none
 * forbid all programs that do not know them.
 */
export const forbids = (what: "readable_by" | "writable_by", version: number): string =>
  `m.version > ${version} AND (c.version IS NULL OR c.${what} > ${version})`

export const refusal = "SchemaTooNew"

/** A guard that refuses a batch of a program that knows a version of the schema, if a migration forbids it to write. */
export const fence = (version: number): string =>
  `SELECT '${refusal}' AS refusal, CAST(m.version AS TEXT) || ' ' || CAST(COALESCE(c.readable_by, m.version) AS TEXT)
    AS value FROM migration m LEFT JOIN compatibility c ON c.version = m.version
    WHERE ${forbids("writable_by", version)}`

/** Returns the error of a batch that the fence refused with values, and whether the program may read. */
export const refusedBy = (values: ReadonlyArray<string | null>, supported: number) => {
  const migrations = values.map((value) => value!.split(" ").map(Number))
  return {
    error: new SchemaTooNew({ found: Math.max(...migrations.map(([version]) => version!)), supported }),
    isReadable: migrations.every(([, readableBy]) => readableBy! <= supported)
  }
}
