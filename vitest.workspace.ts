import { readdirSync } from "node:fs"
import { defineConfig, type UserProjectConfigFn } from "vitest/config"

const root = import.meta.dirname

/** Tests read the sources of the packages, so that none has to be built first. */
const alias = [
  { find: /^@effect-oci\/([a-z-]+)$/, replacement: `${root}/packages/$1/src/index.ts` },
  { find: /^@effect-oci\/([a-z-]+)\/(\w+)$/, replacement: `${root}/packages/$1/src/$2.ts` }
]

const interop = "test/**/*.interop.test.ts"

/** One project a package and an example. Tests against real peers run with `--mode interop` alone. */
const projects = ["packages", "examples"].flatMap((folder) =>
  readdirSync(`${root}/${folder}`).map((name): UserProjectConfigFn => ({ mode }) => ({
    resolve: { alias },
    test: {
      name,
      root: `${root}/${folder}/${name}`,
      include: mode === "interop" ? [interop] : ["test/**/*.test.ts"],
      exclude: mode === "interop" ? [] : [interop],
      testTimeout: 30_000
    }
  }))
)

export default defineConfig({ test: { projects } })
