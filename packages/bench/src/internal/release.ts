import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import type { Row } from "./measure.js"

/** The figures of the last release, by suite and name. Times and rates are relative to {@link reference}. */
export interface Release {
  readonly [suite: string]: { readonly [name: string]: number }
}

const file = new URL("../../release.json", import.meta.url)

export const read: Effect.Effect<Release> = Effect.sync(() =>
  existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Release : {}
)

/** Replaces the figures of some suites. */
export const write = (figures: Release): Effect.Effect<void> =>
  Effect.map(read, (before) => writeFileSync(file, `${JSON.stringify({ ...before, ...figures }, undefined, 2)}\n`))

/** Returns the seconds of processor time of a fixed piece of work with objects and bytes: the unit of times. */
export const reference: Effect.Effect<number> = Effect.sync(() => {
  const bytes = new Uint8Array(1024 * 1024)
  const times = Array.from({ length: 9 }, () => {
    const start = process.cpuUsage()
    const map = new Map<string, { readonly count: number }>()
    for (let step = 0; step < 200_000; step++) {
      const key = `key ${step % 1000}`
      map.set(key, { count: (map.get(key)?.count ?? 0) + 1 })
    }
    for (let step = 0; step < 16; step++) createHash("sha256").update(bytes).digest()
    const { system, user } = process.cpuUsage(start)
    return (system + user) / 1e6
  })
  return Math.min(...times)
})

const seconds: { readonly [unit: string]: number } = { ns: 1e-9, µs: 1e-6, ms: 1e-3, s: 1 }

/** Converts a value of a row into one that does not depend on how fast the machine is. */
const relative = ({ unit }: Row, value: number, reference: number): number => {
  const scale = seconds[unit]
  if (scale !== undefined) return value * scale / reference
  return unit.endsWith("/s") ? value * reference : value
}

export const figures = (rows: ReadonlyArray<Row>, reference: number): { readonly [name: string]: number } =>
  Object.fromEntries(rows.map((row) => [row.name, Number(relative(row, row.median, reference).toPrecision(4))]))

/** How many times as bad a figure may become from release to release. */
export const margin = 1.25

/**
 * Returns a line for each row that is worse than in the last release by the margin, even in its best round. Rows that the
 * last release did not have are left out.
 */
export const regressions = (
  rows: ReadonlyArray<Row>,
  before: { readonly [name: string]: number },
  reference: number
): ReadonlyArray<string> =>
  rows.flatMap((row) => {
    const was = before[row.name]
    if (was === undefined || was <= 0) return []
    const best = relative(row, row.better === "lower" ? row.min : row.max, reference)
    if ((row.better === "lower" ? best / was : was / best) < margin) return []
    const is = relative(row, row.median, reference)
    const times = row.better === "lower" ? is / was : was / is
    return [`${row.name}: ${times.toFixed(2)} times as bad as in the last release`]
  })
