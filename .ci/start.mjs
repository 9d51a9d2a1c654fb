// Runs a program in this very process: its signals and its exit code are its own. Installs and builds what is missing.
//
//     node .ci/start.mjs examples/copy/src/main.ts     one file, bundled from the sources
//     node .ci/start.mjs examples/edge/dist/main.js    what tsc makes, for a program that needs other built programs
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { setFlagsFromString } from "node:v8"
import { Script } from "node:vm"

const root = resolve(import.meta.dirname, "..")

/** Returns the bundle in a folder, if it is made of the sources as they are. @param {string} folder */
const bundleIn = (folder) => {
  const stamp = join(folder, "stamp.json")
  if (!existsSync(stamp)) return undefined
  const { inputs, name } = JSON.parse(readFileSync(stamp, "utf8"))
  const isCurrent = Object.entries(inputs).every(([path, time]) =>
    statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs === time
  )
  return isCurrent ? join(folder, name) : undefined
}

/** @param {string} source @returns {Promise<string>} the bundle of the program */
const bundleOf = async (source) => {
  const folder = join(root, "node_modules/.cache/effect-oci", source.replaceAll("/", "-"))
  const current = bundleIn(folder)
  if (current !== undefined) return current
  await import("./install.mjs")
  const { bundle } = await import("./bundle.mjs")
  return await bundle(source, folder)
}

/** Returns the processor time of this process, in microseconds. */
const usedTime = () => process.cpuUsage().user + process.cpuUsage().system

/**
 * Runs a bundle. V8 needs 0.1 s to compile a bundle, so a file keeps the bytecode of all that a run needed, and after it
 * the processor time of that run: a run that did far more replaces the file. Node's own cache of this kind,
 * `module.enableCompileCache`, is not in Node 20.
 *
 * @param {string} file
 */
const runBundle = (file) => {
  // V8 optimises WebAssembly in the background, and a process waits for that at its end: 0.06 s for undici's parser of
  // HTTP, after five responses. With this budget it takes those of about a GiB. Bytecode is for one set of flags.
  setFlagsFromString("--wasm-tiering-budget=2000000000")
  // The V8 of Node 20 has no cheap compiler between the first one and the one that optimises. A command of a second spent
  // a seventh of its processor time on that one, so functions are optimised only after they have run six times as long.
  if (process.versions.v8.startsWith("11.")) setFlagsFromString("--interrupt-budget=400000")
  const kept = `${file}.bytecode`
  const bytecode = existsSync(kept) ? readFileSync(kept) : Buffer.alloc(8)
  const script = new Script(readFileSync(file, "latin1"), { filename: file, cachedData: bytecode.subarray(8) })
  process.once("exit", () => {
    const time = usedTime()
    if (script.cachedDataRejected === false && time < 1.5 * bytecode.readDoubleLE()) return
    const header = Buffer.alloc(8)
    header.writeDoubleLE(time)
    try {
      writeFileSync(`${kept}.${process.pid}`, Buffer.concat([header, script.createCachedData()]))
      renameSync(`${kept}.${process.pid}`, kept)
    } catch {
      // The next run compiles again.
    }
  })
  process.argv[1] = file
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
}

/** Runs a program as tsc builds it. @param {string} main */
const runBuilt = async (main) => {
  await import("./install.mjs")
  const { spawnSync } = await import("node:child_process")
  if (!existsSync(main)) console.error("Building")
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  const build = spawnSync(process.execPath, [tsc, "-b", resolve(main, "../..")], { stdio: ["ignore", 2, 2] })
  if (build.status !== 0) process.exit(build.status ?? 1)
  ignoreEchoes()
  process.argv[1] = main
  await import(pathToFileURL(main).href)
}

const ignore = () => {}

/** At Ctrl-C the terminal tells every process, and npm tells this one again: the echo must not cut the shutdown off. */
const ignoreEchoes = () => {
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
      process.on(signal, ignore)
      setTimeout(() => process.off(signal, ignore), 1000).unref()
    })
  }
}

const [program = ""] = process.argv.splice(2, 1)
if (program.endsWith(".ts")) {
  const file = await bundleOf(program)
  ignoreEchoes()
  runBundle(file)
} else {
  await runBuilt(join(root, program))
}
