// Runs every check, one after the other, and shows what the failed ones said.
import { spawnSync } from "node:child_process"

const checks = ["format:check", "lint", "cycles", "types", "packages", "typetests", "docs"]

const failed = checks.filter((name) => {
  const start = performance.now()
  const { status, stderr, stdout } = spawnSync("npm", ["run", "--silent", name], {
    encoding: "utf8",
    shell: process.platform === "win32"
  })
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds.padStart(5)} s`)
  if (status !== 0) console.log(`\n${stdout}${stderr}`)
  return status !== 0
})

if (failed.length > 0) {
  console.log(`Failed: ${failed.join(", ")}`)
  process.exitCode = 1
}
