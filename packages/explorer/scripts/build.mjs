// Builds the page, and writes its files into one module: `dist/assets.js`. Does nothing if that module is newer than all
// sources. `--force` builds in any case.
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { gzipSync } from "node:zlib"

const folder = join(import.meta.dirname, "..")
const packages = join(folder, "..")
export const target = join(folder, "dist", "assets.js")

/** What the page is made of: its own sources, and the packages that it bundles. */
export const sources = [
  join(folder, "app"),
  join(folder, "scripts"),
  ...["auth", "client", "core", "protocol", "transfer", "transport"].map((name) => join(packages, name, "src")),
  join(packages, "..", "package-lock.json")
]

/** @param {string} path @returns {number} */
const newest = (path) => {
  const stats = statSync(path)
  return stats.isDirectory()
    ? Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
    : stats.mtimeMs
}

const isCurrent = () => {
  const built = statSync(target, { throwIfNoEntry: false })
  return built !== undefined && sources.every((source) => newest(source) < built.mtimeMs)
}

/** @type {Record<string, string>} */
const types = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml"
}

/** @param {string} name @param {Uint8Array | string} source */
const fileOf = (name, source) => {
  const bytes = Buffer.from(source)
  return {
    type: types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream",
    hash: createHash("sha256").update(bytes).digest("base64url"),
    gzip: gzipSync(bytes, { level: 9 }).toString("base64")
  }
}

const run = async () => {
  // Tests set another value, with which the page would contain code for development.
  process.env["NODE_ENV"] = "production"
  const { build } = await import("vite")
  const built = await build({ root: join(folder, "app"), logLevel: "warn", build: { write: false } })
  if (!("output" in built)) throw new Error("Vite did not build one page")
  const files = Object.fromEntries(
    built.output.map((file) => [file.fileName, fileOf(file.fileName, file.type === "chunk" ? file.code : file.source)])
  )
  mkdirSync(dirname(target), { recursive: true })
  // Another process may build at the same time, or read the module.
  const written = `${target}.${process.pid}`
  writeFileSync(written, `export const files = ${JSON.stringify(files, undefined, 2)}\n`)
  renameSync(written, target)
}

if (process.argv.includes("--force") || !isCurrent()) await run()
