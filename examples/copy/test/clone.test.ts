/** Tests `npm run copy` of the repository, which bundles the command when its sources have changed. */
import { expect, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readdirSync, statSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const folder = join(root, "node_modules/.cache/effect-oci/examples-copy-src-main.ts")

const run = () => {
  const start = join(root, ".ci/start.mjs")
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [start, "examples/copy/src/main.ts", "--version"],
    { encoding: "utf8" }
  )
  return { status, stderr, stdout, bundled: statSync(join(folder, "stamp.json")).mtimeMs }
}

it("bundles the command again after a source has changed, and only then", () => {
  const first = run()
  expect(first).toMatchObject({ status: 0, stderr: "", stdout: "0.0.0\n" })
  expect(run()).toEqual(first)
  const now = new Date()
  utimesSync(join(root, "examples/copy/src/main.ts"), now, now)
  const changed = run()
  expect(changed).toMatchObject({ status: 0, stderr: "", stdout: "0.0.0\n" })
  expect(changed.bundled).toBeGreaterThan(first.bundled)
  expect(readdirSync(folder).filter((file) => file.endsWith(".cjs"))).toHaveLength(1)
}, 60_000)
