/**
 * The ledger of a quota in SQL, which the nodes of a registry share: how much repositories contain, and the space that
 * pushes have reserved.
 *
 * @since 0.1.0
 */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { CommandFailure } from "@effect-oci/store/MetadataStore"
import type * as StoreError from "@effect-oci/store/StoreError"
import type * as Usage from "@effect-oci/store/Usage"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Database, millis } from "./internal/database.js"
import { open } from "./internal/open.js"
import type { SchemaTooNew } from "./internal/schemaVersion.js"
import type { Row, SqlBatch } from "./SqlBatch.js"

/**
 * What repositories contain together, and how many they are. A repository counts until the registry forgets its name,
 * also without content.
 *
 * @since 0.1.0
 * @category models
 */
export interface Amount extends Usage.Amount {
  readonly repositories: number
}

/**
 * A ledger: a `QuotaLedger.Ledger` of `@effect-oci/middleware`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlQuota {
  /** Returns what a repository and all repositories below it contain together, or the whole registry. */
  readonly used: (prefix: RepositoryName | undefined) => Effect.Effect<Amount, StoreError.Failed>
  /**
   * Reserves space until the scope closes, or returns the limit that would be exceeded. The reservation of a node that
   * has crashed ends after its lease, and one more minute.
   */
  readonly reserve: (reservation: {
    readonly limit:
      & { readonly [Kind in keyof Amount]?: number | undefined }
      & { readonly prefix?: RepositoryName | undefined }
    readonly amount: Amount
    readonly lease: Duration.Duration
  }) => Effect.Effect<
    { readonly what: keyof Amount; readonly used: number; readonly reserved: number } | undefined,
    CommandFailure,
    Scope.Scope
  >
}

const kinds = ["bytes", "manifests", "tags", "repositories"] as const

/** Everything may be used of what has no limit. The sum of two such numbers is an integer in all databases. */
const unlimited = Number.MAX_SAFE_INTEGER

const amountOf = (row: Row | undefined): Amount => ({
  bytes: Number(row?.["bytes"] ?? 0),
  manifests: Number(row?.["manifests"] ?? 0),
  tags: Number(row?.["tags"] ?? 0),
  repositories: Number(row?.["repositories"] ?? 0)
})

/** The repositories of a prefix. "0" comes after "/" in ASCII. */
const below = "(name = :prefix OR (name > :first AND name < :last))"

const used = (repositories: string) =>
  `(SELECT COALESCE(SUM(bytes), 0) AS bytes, COALESCE(SUM(manifests), 0) AS manifests, COALESCE(SUM(tags), 0) AS tags,
    (SELECT COUNT(*) FROM repo WHERE ${repositories}) AS repositories
    FROM counter WHERE repo_id IN (SELECT id FROM repo WHERE ${repositories}))`

/** The space that is reserved: sums are `NULL` without rows. */
const reserved = `(SELECT ${kinds.map((kind) => `COALESCE(SUM(${kind}), 0) AS ${kind}`).join(", ")}
  FROM quota_reservation WHERE prefix = :prefix AND expires_at > :now)`

/**
 * Reads what is used and reserved in one statement, so that the end of a push is seen with its content. The lock makes
 * sure that the statement sees all earlier reservations, where several transactions run at once.
 */
const reserve = (db: Database, repositories: string) => [
  ...db.lock("SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(CAST(:prefix AS TEXT), 0)) AS l"),
  db.statement("DELETE FROM quota_reservation WHERE prefix = :prefix AND expires_at <= :now"),
  db.guard(`SELECT 'Exceeded' AS refusal,
    ${kinds.map((kind) => `CAST(u.${kind} AS TEXT) || ' ' || CAST(r.${kind} AS TEXT)`).join(" || ' ' || ")} AS value
    FROM ${used(repositories)} u CROSS JOIN ${reserved} r
    WHERE ${
    kinds.map((kind) =>
      `(CAST(:${kind} AS BIGINT) > 0 AND u.${kind} + r.${kind} + CAST(:${kind} AS BIGINT) > CAST(:max_${kind} AS BIGINT))`
    ).join(" OR ")
  }`),
  db.statement(`INSERT INTO quota_reservation (id, prefix, bytes, manifests, tags, repositories, expires_at)
    VALUES (:id, :prefix, :bytes, :manifests, :tags, :repositories, :now + CAST(:lease AS BIGINT))`)
]

const commands = (db: Database): SqlQuota => {
  const sums = {
    all: db.statement(`SELECT * FROM ${used("1 = 1")} u`),
    below: db.statement(`SELECT * FROM ${used(below)} u`)
  }
  const reserves = { all: reserve(db, "1 = 1"), below: reserve(db, below) }
  const release = [db.statement("DELETE FROM quota_reservation WHERE id = :id")]
  const namesOf = (prefix: RepositoryName | undefined) =>
    prefix === undefined ? { prefix: "" } : { prefix, first: `${prefix}/`, last: `${prefix}0` }
  return {
    used: (prefix) =>
      Effect.map(
        db.read(prefix === undefined ? sums.all : sums.below, namesOf(prefix)),
        ([row]) => amountOf(row)
      ),
    reserve: ({ amount, lease, limit }) =>
      Effect.suspend(() => {
        const id = crypto.randomUUID()
        const limits = Object.fromEntries(kinds.map((kind) => [`max_${kind}`, limit[kind] ?? unlimited]))
        // The caller of a push ends it after its lease. The last minute is for what it had sent by then.
        const values = { ...namesOf(limit.prefix), ...amount, ...limits, id, lease: millis(lease) + 60_000 }
        const exceeded = (texts: ReadonlyArray<string | null>) => {
          const numbers = texts[0]!.split(" ").map(Number)
          const at = kinds.findIndex((kind, at) =>
            amount[kind] > 0 && numbers[2 * at]! + numbers[2 * at + 1]! + amount[kind] > (limit[kind] ?? unlimited)
          )
          return { _tag: "Exceeded" as const, what: kinds[at]!, used: numbers[2 * at]!, reserved: numbers[2 * at + 1]! }
        }
        return Effect.acquireRelease(
          db.run(limit.prefix === undefined ? reserves.all : reserves.below, values, { Exceeded: exceeded }).pipe(
            Effect.as(undefined),
            Effect.catchTag("Exceeded", ({ reserved, used, what }) => Effect.succeed({ reserved, used, what }))
          ),
          () => Effect.catchAll(db.run(release, { id }, {}), logFailure)
        )
      })
  }
}

const logFailure = (error: CommandFailure) =>
  Effect.annotateLogs(
    Effect.logWarning("cannot release space that a push had reserved; it is reserved until its lease ends"),
    { error: String(error) }
  )

/**
 * Creates the ledger of the registry in a database, and creates or upgrades the tables of the database. It counts what the
 * metadata store in the same database contains.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { RepositoryName } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Quota } from "@effect-oci/middleware"
 * import { SqlQuota } from "@effect-oci/store-sql"
 * import { Effect, Layer } from "effect"
 *
 * const team = RepositoryName.make("team")
 *
 * const limited = <E, R>(registry: Layer.Layer<Registry, E, R>) =>
 *   Layer.unwrapEffect(Effect.map(SqlQuota.make, (ledger) =>
 *     registry.pipe(Quota.wrap({ ledger, limits: [{ prefix: team, bytes: 10 * 1024 ** 3 }] }))))
 * ```
 */
export const make: Effect.Effect<SqlQuota, SchemaTooNew | StoreError.Failed, SqlBatch> = Effect.map(open, commands)
