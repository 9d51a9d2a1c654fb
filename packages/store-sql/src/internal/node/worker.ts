import type { Row, Statement } from "../../SqlBatch.js"
import type { Connection, SqliteError } from "./connection.js"

/** A batch for the worker thread. */
export interface Command {
  readonly statements: ReadonlyArray<Statement>
  readonly relaxed: boolean
}

/** The result of a batch. `unknown`: the transaction may have taken effect. */
export type Result =
  | { readonly type: "done"; readonly rows: ReadonlyArray<ReadonlyArray<Row>> }
  | { readonly type: "refused"; readonly rows: ReadonlyArray<Row> }
  | { readonly type: "failed" | "unknown"; readonly error: SqliteError }

/** A port of a thread: `MessagePort` of Node. */
interface Port {
  readonly on: (event: "message", listener: (message: ReadonlyArray<Command> | "close") => void) => unknown
  readonly postMessage: (message: ReadonlyArray<Result> | "open" | "closed" | SqliteError) => void
  readonly close: () => void
}

/**
 * Creates the function that runs a group of batches. All batches of a group are one transaction with a savepoint for
 * each batch, so that many batches cost one fsync. A batch that is refused or fails is undone alone.
 *
 * The functions of this module have no imports, because the worker thread receives their text.
 */
export const makeRunner = (connection: Connection, errorOf: (cause: unknown) => SqliteError) => {
  /** These errors end the whole transaction, or leave it in an unknown state: no memory, I/O error, full, corrupt. */
  const fatal = new Set([7, 10, 11, 13, 26])
  let synchronous = ""
  const setSynchronous = (mode: "FULL" | "NORMAL") => {
    if (synchronous !== mode) connection.exec(`PRAGMA synchronous = ${mode}`)
    synchronous = mode
  }
  const undo = () => {
    connection.exec("ROLLBACK TO command")
    connection.exec("RELEASE command")
  }

  const runOne = ({ statements }: Command): Result => {
    connection.exec("SAVEPOINT command")
    try {
      const rows: Array<ReadonlyArray<Row>> = []
      for (const { guard, params, sql } of statements) {
        const found = connection.all(sql, params)
        if (guard && found.length > 0) {
          undo()
          return { type: "refused", rows: found }
        }
        rows.push(found)
      }
      connection.exec("RELEASE command")
      return { type: "done", rows }
    } catch (cause) {
      const error = errorOf(cause)
      if (fatal.has(error.code)) throw cause
      undo()
      return { type: "failed", error }
    }
  }

  return (commands: ReadonlyArray<Command>): ReadonlyArray<Result> => {
    const undoAll = (type: "failed" | "unknown", error: SqliteError): ReadonlyArray<Result> => {
      try {
        connection.exec("ROLLBACK")
      } catch {
        // SQLite has rolled back by itself.
      }
      return commands.map(() => ({ type, error }))
    }
    let results: ReadonlyArray<Result>
    try {
      setSynchronous(commands.every(({ relaxed }) => relaxed) ? "NORMAL" : "FULL")
      connection.exec("BEGIN IMMEDIATE")
      results = commands.map(runOne)
    } catch (cause) {
      return undoAll("failed", errorOf(cause))
    }
    try {
      connection.exec("COMMIT")
      return results
    } catch (cause) {
      // The disk may have the transaction, unless it was full or the database was in use.
      const error = errorOf(cause)
      return undoAll(error.code === 5 || error.code === 13 ? "failed" : "unknown", error)
    }
  }
}

/** Runs the groups that a port receives. */
export const serve = (
  port: Port,
  open: () => Connection,
  make: typeof makeRunner,
  errorOf: (cause: unknown) => SqliteError
): void => {
  let connection: Connection
  try {
    connection = open()
  } catch (cause) {
    port.postMessage(errorOf(cause))
    port.close()
    return
  }
  const run = make(connection, errorOf)
  port.on("message", (message) => {
    if (message !== "close") return port.postMessage(run(message))
    try {
      connection.all("PRAGMA wal_checkpoint(TRUNCATE)", [])
    } catch {
      // The next start does it.
    }
    connection.close()
    port.postMessage("closed")
    port.close()
  })
  port.postMessage("open")
}
