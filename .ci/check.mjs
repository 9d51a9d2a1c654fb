// Runs every check, two at a time where there are cores for it, and shows what the failed ones said.
import { spawn } from "node:child_process"

/** What is quick, or what the rest stands on. */
const first = ["format:check", "lint", "cycles", "lock", "build"]

/** Each of these is one after the other, beside the others. */
const lanes = [["types"], ["words", "pages", "docs", "packages", "typetests", "footprint"]]

/** @type {Array<string>} */
const failed = []

/** @param {string} name @returns {Promise<void>} */
const run = (name) =>
  new Promise((resolve) => {
    const start = performance.now()
    let output = ""
    const child = spawn("npm", ["run", "--silent", name], {
      shell: process.platform === "win32",
      stdio: ["ignore", "pipe", "pipe"]
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text
      })
    }
    child.once("close", (status) => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(`${status === 0 ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds.padStart(5)} s`)
      if (status !== 0) {
        console.log(`\n${output}`)
        failed.push(name)
      }
      resolve()
    })
  })

/** @param {ReadonlyArray<string>} names */
const inTurn = async (names) => {
  for (const name of names) await run(name)
}

await inTurn(first)
await Promise.all(lanes.map(inTurn))

if (failed.length > 0) {
  console.log(`Failed: ${failed.join(", ")}`)
  process.exitCode = 1
}
