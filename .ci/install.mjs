// Installs what package-lock.json names, unless node_modules has just that already.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"

const root = new URL("../", import.meta.url)

/** @param {string} lock @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, link?: boolean }>} */
const packagesOf = (lock) => {
  const file = new URL(lock, root)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {}
}

/** Returns the version of a package on the disk. @param {string} path */
const versionIn = (path) => {
  const file = new URL(`${path}/package.json`, root)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : undefined
}

const found = packagesOf("node_modules/.package-lock.json")
const current = Object.entries(packagesOf("package-lock.json")).every(([path, wanted]) => {
  // The packages of this repository are not installed, only linked.
  if (!path.includes("node_modules/")) return true
  const there = found[path]
  if (there === undefined) return wanted.optional === true
  if (there.version !== wanted.version || there.integrity !== wanted.integrity) return false
  // `npm install --package-lock-only` writes this file too, and installs nothing.
  return wanted.link === true ? existsSync(new URL(path, root)) : versionIn(path) === wanted.version
})

if (!current) {
  console.error("Installing the dependencies")
  const npm = spawnSync("npm", ["ci", "--include=dev", "--loglevel=error"], {
    cwd: root,
    shell: process.platform === "win32",
    stdio: ["ignore", 2, 2]
  })
  if (npm.status !== 0) process.exit(npm.status ?? 1)
}
