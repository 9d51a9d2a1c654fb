import * as Answer from "@effect-oci/core/Answer"
import type { CommandFailure } from "@effect-oci/store/MetadataStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Param, Row, RunOptions, Service, Statement } from "../SqlBatch.js"
import { type Dialect, dialects } from "./dialect.js"
import * as schemaVersion from "./schemaVersion.js"
import type { SchemaTooNew } from "./schemaVersion.js"

/** A statement whose parameters have names. */
export interface Template {
  readonly sql: string
  readonly names: ReadonlyArray<string>
  readonly guard: boolean
}

/** The parameters of the statements of a batch, by name. */
export interface Values {
  readonly [name: string]: Param
}

/** Maps each refusal of the guards of a batch, and the values of the guard, to an error. */
export type Refusals<E> = { readonly [refusal: string]: (values: ReadonlyArray<string | null>) => E }

type Rows = ReadonlyArray<Row>

/** The id of the repository of a statement. */
export const repoId = "(SELECT id FROM repo WHERE name = :repository)"

const longest = 2 ** 52

/** Returns a duration in milliseconds. The sum of a time and a duration is a safe integer. */
export const millis = (duration: Duration.DurationInput): number =>
  Math.min(Math.ceil(Duration.toMillis(duration)), longest)

/**
 * A database with the statements of a metadata store. The text of a statement names its parameters, `:name`. `:now` is
 * the time, by the clock of the database.
 */
export class Database {
  readonly dialect: Dialect
  readonly isReadOnly: boolean
  readonly maxValueBytes: number
  /** Whether other processes write to the database too. */
  readonly isShared: boolean
  /** The first statement of each batch: refuses it if a newer program has upgraded the schema beyond this program. */
  private readonly fence: ReadonlyArray<Template>
  private unreadable: SchemaTooNew | undefined

  /** `version` is the version of the schema that this program knows. Without it, batches run on any schema. */
  constructor(private readonly batch: Service, private readonly version?: number) {
    this.dialect = dialects[batch.dialect]
    this.isReadOnly = batch.readOnly === true
    this.maxValueBytes = batch.maxValueBytes ?? Infinity
    this.isShared = batch.clock === "database"
    this.fence = version === undefined ? [] : [this.guard(schemaVersion.fence(version))]
  }

  /** Returns the same database, for a program that knows the schema up to a version. */
  fenced(version: number): Database {
    return new Database(this.batch, version)
  }

  statement(text: string): Template {
    return this.compile(text, false)
  }

  guard(text: string): Template {
    return this.compile(text, true)
  }

  /**
   * A query that locks rows, where several transactions run at once. It precedes the conditions of its command, which
   * then see what the holders of the locks have committed. See `locks.ts`.
   */
  lock(text: string): ReadonlyArray<Template> {
    return this.dialect.locksRows ? [this.statement(text)] : []
  }

  /** Runs statements as one transaction. Returns the rows of each. */
  run<E = never>(
    templates: ReadonlyArray<Template>,
    values: Values,
    refusals: Refusals<E>,
    options?: RunOptions
  ): Effect.Effect<ReadonlyArray<Rows>, E | CommandFailure> {
    return this.submit(templates.map((template) => ({ template, values })), refusals, options)
  }

  /** Runs statements, each with its own values, as one transaction. Returns the rows of each. */
  runEach<E = never>(
    statements: ReadonlyArray<{ readonly template: Template; readonly values: Values }>,
    refusals: Refusals<E>
  ): Effect.Effect<ReadonlyArray<Rows>, E | CommandFailure> {
    return this.submit(statements, refusals)
  }

  /** Runs one query. The result may be settled. */
  read(template: Template, values: Values): Effect.Effect<Rows, StoreError.Failed> {
    if (this.unreadable !== undefined) return Effect.fail(new StoreError.Failed({ cause: this.unreadable }))
    return this.withNow([template], (now) => this.batch.read(bind(template, { ...values, ...now })))
  }

  private submit<E>(
    statements: ReadonlyArray<{ readonly template: Template; readonly values: Values }>,
    refusals: Refusals<E>,
    options?: RunOptions
  ): Effect.Effect<ReadonlyArray<Rows>, E | CommandFailure> {
    const fence = this.fence.map((template) => ({ template, values: {} }))
    const result = this.withNow(statements.map(({ template }) => template), (now) =>
      this.batch.run(
        [...fence, ...statements].map(({ template, values }) => bind(template, { ...values, ...now })),
        options
      ))
    return Effect.matchEffect(result, {
      onSuccess: (rows) => Effect.succeed(rows.slice(fence.length)),
      onFailure: (error): Effect.Effect<never, E | CommandFailure> => {
        if (error._tag === "OciSqlRefused") {
          const { refusal, values } = error
          if (refusal === schemaVersion.refusal) return Effect.fail(this.tooNew(values))
          const refused = refusals[refusal]
          return refused === undefined ? Effect.die(error) : Effect.fail(refused(values))
        }
        const full = error._tag === "OciStoreFull" ? refusals["Full"] : undefined
        return Effect.fail(full === undefined ? failed(error) : full([]))
      }
    })
  }

  /** The error of a batch that the fence refused. After it, queries fail as well if the schema forbids them. */
  private tooNew(values: ReadonlyArray<string | null>): StoreError.Failed {
    const { error, isReadable } = schemaVersion.refusedBy(values, this.version!)
    if (!isReadable) this.unreadable = error
    return new StoreError.Failed({ cause: error })
  }

  private withNow<A, E>(
    templates: ReadonlyArray<Template>,
    f: (now: Values) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    if (!templates.some(({ names }) => names.includes("now"))) return f({})
    return this.batch.clock === "database"
      ? f({ now: null })
      : Effect.flatMap(Clock.currentTimeMillis, (now) => f({ now }))
  }

  private compile(text: string, guard: boolean): Template {
    const names: Array<string> = []
    const { now, placeholder } = this.dialect
    const sql = text.replaceAll(/:(\w+)/g, (_, name: string) => {
      if (!names.includes(name)) names.push(name)
      const parameter = `${placeholder}${names.indexOf(name) + 1}`
      return name === "now" ? `COALESCE(CAST(${parameter} AS BIGINT), ${now})` : parameter
    })
    return { sql, names, guard }
  }
}

const failed = (error: CommandFailure | StoreError.Full): CommandFailure =>
  error._tag === "OciStoreFull" ? new StoreError.Failed({ cause: error }) : error

const bind = ({ guard, names, sql }: Template, values: Values): Statement => ({
  sql,
  params: names.map((name) => values[name] as Param),
  guard
})

/** Continues with the rows of the last statement of a batch. */
export const lastRows = <E>(result: Effect.Effect<ReadonlyArray<Rows>, E>): Effect.Effect<Rows, E> =>
  Answer.map(result, (rows) => rows[rows.length - 1]!)

/** Maps the error of a command that changes nothing a caller relies on, such as the renewal of a lease. */
export const asFailed = <A>(result: Effect.Effect<A, CommandFailure>): Effect.Effect<A, StoreError.Failed> =>
  Effect.mapError(
    result,
    (error) => error._tag === "OciStoreFailed" ? error : new StoreError.Failed({ cause: error.cause })
  )
