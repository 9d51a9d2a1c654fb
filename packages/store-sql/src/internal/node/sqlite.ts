import * as Answer from "@effect-oci/core/Answer"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { refusedBy, type Row, type Service, type Statement } from "../../SqlBatch.js"
import { check } from "../params.js"
import { type Connection, errorOf, type SqliteError } from "./connection.js"
import * as groupCommit from "./groupCommit.js"
import type { Result } from "./worker.js"

export type Reason = "damaged" | "in use" | "failed"

/** Result codes of SQLite: https://sqlite.org/rescode.html */
const codes = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const

const reasonOf = ({ code }: SqliteError): Reason =>
  code === codes.corrupt || code === codes.notADatabase ? "damaged" : code === codes.busy ? "in use" : "failed"

/**
 * The settings of the connection that writes. A checkpoint runs in its thread after a commit that leaves 1,000 pages in
 * the log, and a log that was larger is cut.
 */
const writerPragmas = [
  "PRAGMA busy_timeout = 5000",
  "PRAGMA journal_mode = WAL",
  "PRAGMA foreign_keys = ON",
  "PRAGMA wal_autocheckpoint = 1000",
  "PRAGMA journal_size_limit = 16777216",
  "PRAGMA cache_size = -32768",
  "PRAGMA wal_checkpoint(TRUNCATE)"
]

/** The connection that reads blocks the thread of the caller, so that it does not wait long. */
const readerPragmas = ["PRAGMA busy_timeout = 200", "PRAGMA query_only = ON", "PRAGMA cache_size = -65536"]

/** Databases up to this size are checked as a whole at the start, in bytes. */
const checkedWhole = 64 * 1024 * 1024

/** Returns what is wrong with a database, or `undefined`. The log was merged into the file before. */
const findDamage = (reader: Connection, filename: string): string | undefined => {
  const [pages] = reader.all("PRAGMA page_count", [])
  const [pageSize] = reader.all("PRAGMA page_size", [])
  const expected = Number(pages?.["page_count"]) * Number(pageSize?.["page_size"])
  const { size } = statSync(filename)
  if (size < expected) return `the file has ${size} bytes, and its header says ${expected}`
  if (size > checkedWhole) return undefined
  const [result] = reader.all("PRAGMA quick_check(1)", [])
  return result?.["quick_check"] === "ok" ? undefined : String(result?.["quick_check"])
}

/** An error of the database, with a message that says what to do about it. */
const failure = (error: SqliteError, filename: string): StoreError.Failed => {
  const advice = reasonOf(error) === "damaged" ? "; restore it from a backup, or run `sqlite3 FILE .recover`" : ""
  return new StoreError.Failed({ cause: new Error(`the database ${filename} failed: ${error.message}${advice}`) })
}

const toResult = (
  result: Result,
  filename: string
): ReturnType<Service["run"]> => {
  switch (result.type) {
    case "done":
      return Effect.succeed(result.rows)
    case "refused":
      return Effect.fail(refusedBy(result.rows))
    case "unknown":
      return Effect.fail(new StoreError.OutcomeUnknown({ cause: failure(result.error, filename).cause }))
    case "failed":
      return Effect.fail(
        result.error.code === codes.full ? new StoreError.Full() : failure(result.error, filename)
      )
  }
}

/** Opens a database. */
export const make = <E>(
  filename: string,
  openFailed: (reason: Reason, problem: string) => E
): Effect.Effect<Service, E, Scope.Scope> =>
  Effect.gen(function*() {
    const driver = groupCommit.findDriver()
    const writer = yield* Effect.mapError(
      groupCommit.make({ driver, filename, pragmas: writerPragmas }),
      (error) => openFailed(reasonOf(error), error.message)
    )
    const reader = yield* Effect.acquireRelease(
      attempt(() => openReader(driver, filename), openFailed),
      (connection) => Effect.sync(() => connection.close())
    )
    const damage = yield* attempt(() => findDamage(reader, filename), openFailed)
    if (damage !== undefined) return yield* Effect.fail(openFailed("damaged", damage))
    return {
      dialect: "sqlite",
      clock: "process",
      run: (statements, options) =>
        Effect.suspend(() =>
          Effect.flatMap(
            writer.run({ statements: statements.map(check), relaxed: options?.relaxed === true }),
            (result) => toResult(result, filename)
          )
        ),
      read: (statement) => Answer.attempt(() => read(check(statement), reader, filename))
    }
  })

const forReading = Effect.fail(new StoreError.Failed({ cause: new Error("the database is open for reading only") }))

/** Opens a database for reading, also while another process writes to it. */
export const makeReader = <E>(
  filename: string,
  openFailed: (reason: Reason, problem: string) => E
): Effect.Effect<Service, E, Scope.Scope> =>
  Effect.gen(function*() {
    if (!existsSync(filename)) return yield* Effect.fail(openFailed("failed", "the file does not exist"))
    const reader = yield* Effect.acquireRelease(
      attempt(() => openReader(groupCommit.findDriver(), filename), openFailed),
      (connection) => Effect.sync(() => connection.close())
    )
    return {
      dialect: "sqlite",
      clock: "process",
      readOnly: true,
      run: () => forReading,
      read: (statement) => Answer.attempt(() => read(check(statement), reader, filename))
    }
  })

/** Writes a copy of a database to a new file, as it is at one moment. Syncs the copy to the disk. */
export const copy = <E>(
  filename: string,
  target: string,
  openFailed: (reason: Reason, problem: string) => E
): Effect.Effect<void, E> =>
  Effect.scoped(Effect.gen(function*() {
    if (!existsSync(filename)) return yield* Effect.fail(openFailed("failed", "the file does not exist"))
    const connection = yield* Effect.acquireRelease(
      attempt(() => groupCommit.openHere(groupCommit.findDriver(), filename), openFailed),
      (connection) => Effect.sync(() => connection.close())
    )
    yield* attempt(() => {
      connection.all("PRAGMA busy_timeout = 5000", [])
      connection.exec(`VACUUM INTO '${target.replaceAll("'", "''")}'`)
    }, openFailed)
  }))

const read = (
  { params, sql }: Statement,
  reader: Connection,
  filename: string
): Effect.Effect<ReadonlyArray<Row>, StoreError.Failed> => {
  try {
    return Answer.succeed(reader.all(sql, params))
  } catch (cause) {
    return Answer.fail(failure(errorOf(cause), filename))
  }
}

const openReader = (driver: string, filename: string): Connection => {
  const connection = groupCommit.openHere(driver, filename)
  for (const pragma of readerPragmas) connection.all(pragma, [])
  return connection
}

const attempt = <A, E>(f: () => A, openFailed: (reason: Reason, problem: string) => E): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (cause) {
      const { code, message } = errorOf(cause)
      return Effect.fail(openFailed(reasonOf({ code, message }), message))
    }
  })

/** Locks a folder until the scope ends. */
export const lock = <E>(
  directory: string,
  openFailed: (filename: string, reason: Reason, problem: string) => E
): Effect.Effect<void, E, Scope.Scope> => {
  const filename = join(directory, "lock.db")
  return Effect.asVoid(Effect.acquireRelease(
    attempt(
      () => {
        const connection = groupCommit.openHere(groupCommit.findDriver(), filename)
        try {
          connection.all("PRAGMA busy_timeout = 0", [])
          connection.exec("BEGIN EXCLUSIVE")
          return connection
        } catch (cause) {
          connection.close()
          throw cause
        }
      },
      (reason, problem) => openFailed(filename, reason, problem)
    ),
    (connection) =>
      Effect.sync(() => {
        // libsql closes a connection only when the garbage collector has found its statements.
        connection.exec("ROLLBACK")
        connection.close()
      })
  ))
}
