// Installs, builds and runs a program, `examples/copy/dist/main.js`, in this very process: its signals and its exit code
// are its own.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const [program] = process.argv.splice(2, 1)
const main = new URL(`../${program}`, import.meta.url)
const project = new URL("../", main)
const tsc = new URL("../node_modules/typescript/bin/tsc", import.meta.url)
const page = new URL("../packages/explorer/scripts/build.mjs", import.meta.url)
const { dependencies = {} } = JSON.parse(readFileSync(new URL("package.json", project), "utf8"))

/** @param {URL} script @param {Array<string>} args */
const build = (script, ...args) => {
  const { status } = spawnSync(process.execPath, [fileURLToPath(script), ...args], { stdio: ["ignore", 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(main)) console.error("Building")
build(tsc, "-b", fileURLToPath(project))
if ("@effect-oci/explorer" in dependencies) build(page)

const ignore = () => {}

// At Ctrl-C the terminal tells every process, and npm tells this one again: the echo must not cut the shutdown off.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    process.on(signal, ignore)
    setTimeout(() => process.off(signal, ignore), 1000).unref()
  })
}

process.argv[1] = fileURLToPath(main)
await import(main.href)
