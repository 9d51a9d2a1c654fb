import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

/** The time between two updates of a progress line, in milliseconds. */
const interval = 100

/**
 * Shows progress in one line of the terminal on standard error. Shows nothing if standard error is not a terminal. The
 * end of the scope clears the line.
 */
export const progress = Effect.acquireRelease(
  Effect.sync(() => {
    let shownAt = 0
    return {
      show: (text: string) =>
        Effect.sync(() => {
          const now = performance.now()
          if (!process.stderr.isTTY || now - shownAt < interval) return
          shownAt = now
          process.stderr.write(`\r\u001b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
        })
    }
  }),
  () => Effect.sync(() => void (process.stderr.isTTY && process.stderr.write("\r\u001b[K")))
)

const sizes = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const

/** Returns a number of bytes with a unit: `1.5 GiB`. */
export const bytes = (size: number): string => {
  const power = size < 1024 ? 0 : Math.min(Math.floor(Math.log2(size) / 10), sizes.length - 1)
  return `${power === 0 ? size : (size / 1024 ** power).toFixed(1)} ${sizes[power]}`
}

/** Returns a number with its noun: `1 tag`, `2 tags`. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`

/** Prints rows with a name and a value, the values below each other. */
export const table = (rows: ReadonlyArray<readonly [name: string, value: string | number]>): Effect.Effect<void> => {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return Console.log(rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join("\n"))
}
