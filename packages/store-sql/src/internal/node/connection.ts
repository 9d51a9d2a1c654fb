import type Libsql from "libsql"
import type { Param, Row } from "../../SqlBatch.js"

/** An error of SQLite. `code` is the primary result code. */
export interface SqliteError {
  readonly message: string
  readonly code: number
}

/** Reads an error of either driver. The function has no imports, because a worker thread receives its text. */
export const errorOf = (cause: unknown): SqliteError => {
  const { errcode, message, rawCode } = cause as { errcode?: number; rawCode?: number; message?: string }
  return { message: message ?? String(cause), code: (errcode ?? rawCode ?? 1) & 255 }
}

/** A connection to a database of SQLite, whatever the driver. */
export interface Connection {
  readonly exec: (sql: string) => void
  /** Runs a statement to its end, and returns its rows. Statements are prepared once. */
  readonly all: (sql: string, params: ReadonlyArray<Param>) => Array<Row>
  readonly close: () => void
}

/** The driver that a thread uses: the module `node:sqlite`, or the path of the package `libsql`. */
export type DriverName = string

/** What the two drivers have in common. */
type DriverDatabase = Pick<Libsql.Database, "exec" | "prepare" | "close">
type DriverStatement = Pick<Libsql.Statement, "all">

/**
 * Opens a connection. The function has no imports, because a worker thread receives its text: then the thread runs the
 * same from the built package and from the sources.
 */
export const open = (require: (name: string) => unknown, driver: DriverName, filename: string): Connection => {
  const isNode = driver === "node:sqlite"
  // Node prints a warning that the module is experimental when it is loaded.
  const emitWarning = Object.getOwnPropertyDescriptor(process, "emitWarning")!
  Object.defineProperty(process, "emitWarning", { ...emitWarning, value: () => {} })
  const module = require(driver) as { new(filename: string): DriverDatabase; readonly DatabaseSync: typeof module }
  Object.defineProperty(process, "emitWarning", emitWarning)

  // Node binds an empty array as NULL, unless it is a part of a larger one.
  const emptyBlob = new Uint8Array(1).subarray(0, 0)
  const forNode = (param: Param) => param instanceof Uint8Array && param.byteLength === 0 ? emptyBlob : param

  const database: DriverDatabase = isNode ? new module.DatabaseSync(filename) : new module(filename)
  const statements = new Map<string, DriverStatement>()
  const prepare = (sql: string): DriverStatement => {
    const statement = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
  return {
    exec: (sql) => database.exec(sql),
    all: (sql, params) => {
      const statement = prepare(sql)
      // libsql ends the process if a Uint8Array is its only parameter, so it receives an array.
      const rows = (isNode ? statement.all(...params.map(forNode)) : statement.all(params)) as Array<
        { [column: string]: unknown }
      >
      if (isNode) return rows
      for (const row of rows) {
        for (const column in row) {
          const value = row[column]
          if (value instanceof ArrayBuffer) row[column] = new Uint8Array(value)
        }
      }
      return rows
    },
    close: () => database.close()
  }
}
