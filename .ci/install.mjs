// Installs what package-lock.json names, unless node_modules has just that already.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"

const root = new URL("../", import.meta.url)

/** @param {string} lock @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }>} */
const packagesOf = (lock) => {
  const file = new URL(lock, root)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {}
}

const found = packagesOf("node_modules/.package-lock.json")
const current = Object.entries(packagesOf("package-lock.json")).every(([path, wanted]) => {
  const there = found[path]
  if (there === undefined) return path === "" || wanted.optional === true
  return there.version === wanted.version && there.integrity === wanted.integrity
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
