import * as Effect from "effect/Effect"

/** A measured figure and its target. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly target: number | undefined
  /** How many times as bad as the target the median is. A ratio of at most 1 meets the target. */
  readonly ratio: number | undefined
  readonly better: "lower" | "higher"
  /** The ratio from which the row is a failure. */
  readonly limit: number
}

/** The description of a figure. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly target?: number | undefined
  /** Whether lower or higher values are better: lower for durations, higher for rates. */
  readonly better: "lower" | "higher"
  /** How many times as bad as its target the figure may be. Default: less than 2. */
  readonly limit?: number | undefined
}

/** Returns the middle sample, or the mean of the two middle samples. */
export const median = (samples: ReadonlyArray<number>): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

/** Returns the 99th percentile. */
export const percentile99 = (samples: ReadonlyArray<number>): number =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length * 0.99)] ?? Number.NaN

export const row = ({ better, limit = 2, name, target, unit }: Figure, samples: ReadonlyArray<number>): Row => {
  const middle = median(samples)
  return {
    name,
    unit,
    median: middle,
    min: Math.min(...samples),
    max: Math.max(...samples),
    target,
    ratio: target === undefined ? undefined : better === "lower" ? middle / target : target / middle,
    better,
    limit
  }
}

/**
 * Takes a sample of every case in each round, one case after the other. If the machine
 * is slow for a while, all cases are slow. Every second round runs backwards. Drops the samples of the warm-up rounds.
 */
export const interleave = <A, E, R>(
  cases: ReadonlyMap<string, Effect.Effect<A, E, R>>,
  options: { readonly warmUp: number; readonly rounds: number }
): Effect.Effect<ReadonlyArray<ReadonlyMap<string, A>>, E, R> =>
  Effect.gen(function*() {
    const forwards = [...cases]
    const backwards = forwards.toReversed()
    const rounds: Array<ReadonlyMap<string, A>> = []
    for (let round = 0; round < options.warmUp + options.rounds; round++) {
      const samples = new Map<string, A>()
      for (const [name, sample] of round % 2 === 0 ? forwards : backwards) samples.set(name, yield* sample)
      if (round >= options.warmUp) rounds.push(samples)
    }
    return rounds
  })

/** Divides two lists of samples, round by round. */
export const divided = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): ReadonlyArray<number> =>
  a.map((value, round) => value / (b[round] ?? Number.NaN))

/** Returns a function that returns the samples of a case. */
export const samplesOf =
  (rounds: ReadonlyArray<ReadonlyMap<string, number>>) => (name: string): ReadonlyArray<number> =>
    rounds.map((round) => round.get(name) ?? Number.NaN)

const columns = ["name", "unit", "median", "min", "max", "target", "ratio"] as const

/** Formats rows as a table in Markdown. */
export const table = (rows: ReadonlyArray<Row>): string =>
  [
    columns,
    columns.map((column) => column === "name" || column === "unit" ? "---" : "---:"),
    ...rows.map((row) => columns.map((column) => cell(row[column])))
  ].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

const cell = (value: string | number | undefined): string =>
  typeof value === "number" ? String(Number(value.toPrecision(3))) : value ?? ""

/** Returns the rows whose ratio has reached its limit, or whose figure is not a number. */
export const failures = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  rows.filter((row) => Number.isNaN(row.median) || (row.ratio !== undefined && row.ratio >= row.limit))

/** A group of related measurements. */
export interface Suite {
  readonly name: string
  readonly run: Effect.Effect<ReadonlyArray<Row>, unknown>
}
