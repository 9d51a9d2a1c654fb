/** The memory of a process and of the processes that it started. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

/** Returns the parent and the resident memory of a process, in pages of 4 KiB. */
const statOf = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { pid, parent: Number(fields[1]), pages: Number(fields[21]) }
  } catch {
    return undefined
  }
}

/** Returns the resident memory of a process and its descendants in bytes, or `undefined` without `/proc`. */
export const residentBytes = (root: number): number | undefined => {
  if (process.platform !== "linux") return undefined
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => statOf(Number(name)) ?? [])
  const family = new Set([root])
  // A child may have a lower id than its parent.
  for (let size = 0; size !== family.size;) {
    size = family.size
    for (const { parent, pid } of all) if (family.has(parent)) family.add(pid)
  }
  return all.reduce((sum, { pages, pid }) => family.has(pid) ? sum + pages * 4096 : sum, 0)
}

/** Measures by how much the memory of a process grows. Returns a function that returns the growth so far, in bytes. */
export const watch = (pid: number) =>
  Effect.gen(function*() {
    const before = residentBytes(pid) ?? 0
    let most = before
    yield* Effect.sync(() => {
      most = Math.max(most, residentBytes(pid) ?? 0)
    }).pipe(Effect.delay("100 millis"), Effect.forever, Effect.forkScoped)
    return () => most - before
  })
