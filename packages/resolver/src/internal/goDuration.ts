/** Go's units of time, in milliseconds. */
const units: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g

/** Parses a duration in Go's syntax (`1m30s`), as `time.ParseDuration` does. Returns milliseconds, or `undefined`. */
export const goDuration = (text: string): number | undefined => {
  if (text === "0") return 0
  const parts = [...text.matchAll(part)]
  return parts.length > 0 && parts.map(([whole]) => whole).join("") === text
    ? parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0)
    : undefined
}
