/**
 * Sends several statements to PostgreSQL at once, and reads all of their results after: one round trip. The server skips
 * what follows a statement that fails.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
import * as Digest from "@effect-oci/core/Digest"
import type { Param, Row } from "../../SqlBatch.js"

/** A connection can run this: `Submittable` of the package `pg`. */
export interface Submittable {
  readonly submit: (wire: unknown) => void
}

/** What a connection writes to its socket: `Connection` of the package `pg`. */
interface Wire {
  readonly stream: { readonly cork?: () => void; readonly uncork?: () => void }
  close(message: { readonly type: "S"; readonly name: string }): void
  parse(message: { readonly name: string; readonly text: string; readonly types: ReadonlyArray<number> }): void
  describe(message: { readonly type: "S"; readonly name: string }): void
  bind(message: {
    readonly portal: string
    readonly statement: string
    readonly values: ReadonlyArray<unknown>
    readonly binary: boolean
  }): void
  execute(message: { readonly portal: string; readonly rows: number }): void
  sync(): void
}

interface Column {
  readonly name: string
  readonly dataTypeID: number
}

/** A statement with parameters is prepared once in a connection. */
interface Query {
  readonly sql: string
  readonly params: ReadonlyArray<Param>
}

const names = new Map<string, string>()

/** Names the text of a statement. Equal texts have equal names. */
const nameOf = (sql: string): string => {
  const name = names.get(sql) ?? `oci_${Digest.encoded(Digest.fromBytes(new TextEncoder().encode(sql))).slice(0, 40)}`
  names.set(sql, name)
  return name
}

/** The statements that a connection has prepared, with the columns of their rows. */
type Prepared = Map<string, ReadonlyArray<Column>>

const preparedBy = new WeakMap<object, Prepared>()

const bytea = 17

/** Decodes a value. Numbers stay text, because they may be larger than a number. */
const decode = (text: string | null, type: number): unknown =>
  text === null || type !== bytea ? text : new Uint8Array(Buffer.from(text.slice(2), "hex"))

/** The driver sends a `Buffer` in binary, and all else as text. */
const encode = (param: Param): unknown =>
  param instanceof Uint8Array
    ? Buffer.from(param.buffer, param.byteOffset, param.byteLength)
    : typeof param === "number"
    ? String(param)
    : param

/** Statements that are sent at once. The methods that begin with `handle` are called by the connection. */
class Pipeline implements Submittable {
  private readonly results: Array<ReadonlyArray<Row>> = []
  private rows: Array<Row> = []
  private readonly described: Prepared = new Map()
  /** The driver sets it if queries have a time limit. */
  callback: ((error?: unknown) => void) | undefined

  constructor(
    private readonly queries: ReadonlyArray<Query>,
    private readonly prepared: Prepared,
    private readonly settle: (error: Error | undefined, results: ReadonlyArray<ReadonlyArray<Row>>) => void
  ) {}

  submit(wire: unknown): void {
    const { stream } = wire as Wire
    stream.cork?.()
    try {
      this.send(wire as Wire)
    } finally {
      stream.uncork?.()
    }
  }

  private send(wire: Wire): void {
    for (const { params, sql } of this.queries) {
      const name = nameOf(sql)
      if (!this.prepared.has(name) && !this.described.has(name)) {
        this.described.set(name, [])
        // An earlier pipeline that failed may have prepared the statement. PostgreSQL ignores a close of an unknown one.
        wire.close({ type: "S", name })
        wire.parse({ name, text: sql, types: [] })
        wire.describe({ type: "S", name })
      }
      wire.bind({ portal: "", statement: name, values: params.map(encode), binary: false })
      wire.execute({ portal: "", rows: 0 })
    }
    wire.sync()
  }

  private get name(): string {
    return nameOf(this.queries[this.results.length]!.sql)
  }

  handleRowDescription({ fields }: { readonly fields: ReadonlyArray<Column> }): void {
    this.described.set(this.name, fields)
  }

  handleDataRow({ fields }: { readonly fields: ReadonlyArray<string | null> }): void {
    const columns = this.described.get(this.name) ?? this.prepared.get(this.name)!
    const row: { [column: string]: unknown } = {}
    columns.forEach(({ dataTypeID, name }, index) => {
      row[name] = decode(fields[index]!, dataTypeID)
    })
    this.rows.push(row)
  }

  handleCommandComplete(): void {
    this.results.push(this.rows)
    this.rows = []
  }

  handleReadyForQuery(): void {
    for (const [name, columns] of this.described) this.prepared.set(name, columns)
    this.callback?.()
    this.settle(undefined, this.results)
  }

  handleError(error: unknown): void {
    // A plan may be out of date, because the schema has changed. All statements are prepared again.
    this.prepared.clear()
    this.callback?.(error)
    this.settle(error instanceof Error ? error : new Error("the connection failed", { cause: error }), [])
  }

  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}

/** Returns the statements that a connection has prepared. */
const preparedOf = (connection: Connection): Prepared => {
  const known = preparedBy.get(connection)
  if (known !== undefined) return known
  // A lost connection also emits an event, which ends the process if nothing listens to it. The pipeline fails as well.
  connection.on("error", () => {})
  const prepared: Prepared = new Map()
  preparedBy.set(connection, prepared)
  return prepared
}

interface Connection {
  readonly query: (submittable: Submittable) => unknown
  readonly on: (event: "error", listener: () => void) => unknown
}

/** Sends statements to a connection at once. Returns the rows of each, or fails with the first error. */
export const run = (
  connection: Connection,
  queries: ReadonlyArray<Query>
): Promise<ReadonlyArray<ReadonlyArray<Row>>> =>
  new Promise((resolve, reject) => {
    connection.query(
      new Pipeline(queries, preparedOf(connection), (error, results) =>
        error === undefined ? resolve(results) : reject(error))
    )
  })
