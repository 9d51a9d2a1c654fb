import { readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { defineConfig, type UserProjectConfigFn } from "vitest/config"

const root = import.meta.dirname

/** Tests read the sources of the packages, so that none has to be built first. */
const alias = [
  { find: /^@effect-oci\/([a-z0-9-]+)$/, replacement: `${root}/packages/$1/src/index.ts` },
  { find: /^@effect-oci\/([a-z0-9-]+)\/(\w+)$/, replacement: `${root}/packages/$1/src/$2.ts` }
]

/**
 * Tests that run alone, each with its `--mode`: against real peers, with random inputs for as long as one likes, with killed
 * servers and cut power, in a browser, and in Cloudflare's runtime: some runs do not end there, because `workerd` repeats a
 * task of its garbage collector.
 */
const alone: { readonly [mode: string]: string } = {
  interop: "test/**/*.interop.test.ts",
  fuzz: "test/**/*.long.test.ts",
  soak: "test/**/*.soak.test.ts",
  workers: "test/**/*.workers.test.ts",
  explorer: "test/**/*.explorer.test.ts"
}

/** Their tests share nothing but what they import: a worker imports it once for all of them. */
const alike: ReadonlySet<string> = new Set([
  "core",
  "protocol",
  "store",
  "middleware",
  "recording",
  "guard",
  "auth",
  "resolver"
])

/** One project a package and an example. */
const projects = ["packages", "examples"].flatMap((folder) =>
  readdirSync(`${root}/${folder}`).map((name): UserProjectConfigFn => ({ mode }) => ({
    resolve: { alias },
    test: {
      name,
      root: `${root}/${folder}/${name}`,
      include: [alone[mode] ?? "test/**/*.test.ts"],
      exclude: mode in alone ? [] : Object.values(alone),
      poolOptions: { forks: { isolate: !alike.has(name) } },
      testTimeout: 30_000
    }
  }))
)

// A worker a core, where vitest leaves one idle.
export default defineConfig({ test: { projects, minWorkers: 1, maxWorkers: availableParallelism() } })
