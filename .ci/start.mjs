// Installs, builds and runs a program, `examples/copy/dist/main.js`, in this very process: its signals and its exit code
// are its own.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import "./install.mjs"

const [program] = process.argv.splice(2, 1)
const main = new URL(`../${program}`, import.meta.url)
const project = new URL("../", main)
const tsc = new URL("../node_modules/typescript/bin/tsc", import.meta.url)

if (!existsSync(main)) console.error("Building")
const build = spawnSync(process.execPath, [fileURLToPath(tsc), "-b", fileURLToPath(project)], {
  stdio: ["ignore", 2, 2]
})
if (build.status !== 0) process.exit(build.status ?? 1)

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
