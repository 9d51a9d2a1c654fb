import * as StoreError from "@effect-oci/store/StoreError"
import { type Refused, refusedBy, type Statement } from "../../SqlBatch.js"

/**
 * Other transactions made this one fail: a deadlock, a lock that took too long, or a row that another transaction inserted
 * or deleted at the same time. No batch inserts a row that exists, or refers to a row that does not exist, by itself.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const conflicts = new Set(["40001", "40P01", "55P03", "23503", "23505"])
const diskFull = "53100"
const invalidText = "22P02"

/** PostgreSQL ended the transaction because of another one. It can run again. */
export class Conflict {
  readonly _tag = "Conflict"
  constructor(readonly cause: unknown) {}
}

export type Failure = Refused | StoreError.Full | StoreError.Failed | StoreError.OutcomeUnknown | Conflict

const codeOf = (cause: unknown): string | undefined => {
  const { code } = cause as { readonly code?: unknown }
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Whether the connection is lost, or its state is not known. Such an error is not an answer of the database. */
export const isLost = (cause: unknown): boolean => {
  const code = codeOf(cause)
  return code === undefined || code.startsWith("57P") || code.startsWith("08")
}

/**
 * Returns a statement that fails if a guard returns rows, with the rows in the message. So the statements that follow a
 * guard can be sent before its result is known.
 */
export const raising = ({ guard, sql }: Statement): string =>
  guard
    ? `SELECT CAST('refused ' || CAST(jsonb_agg(jsonb_build_array(refusal, value)) AS TEXT) AS INTEGER) FROM (${sql}) AS g`
    : sql

const refusalIn = (cause: unknown): Refused | undefined => {
  if (codeOf(cause) !== invalidText) return undefined
  const json = /refused (\[\[.*\]\])/s.exec((cause as Error).message)?.[1]
  if (json === undefined) return undefined
  const rows = JSON.parse(json) as ReadonlyArray<readonly [string, string | null]>
  return refusedBy(rows.map(([refusal, value]) => ({ refusal, value })))
}

/** Maps the error of a transaction that was sent as a whole. */
export const failureOf = (cause: unknown): Failure => {
  if (isLost(cause)) return new StoreError.OutcomeUnknown({ cause })
  const code = codeOf(cause)!
  if (conflicts.has(code)) return new Conflict(cause)
  if (code === diskFull) return new StoreError.Full()
  return refusalIn(cause) ?? new StoreError.Failed({ cause })
}
