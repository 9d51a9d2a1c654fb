// Publishes the packages whose versions are not published yet, in the order of their dependencies. With `--dry-run`,
// does everything but the upload.
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { publicPackages, root } from "./workspace.mjs"

/** Ends the program if the command fails. @param {string} command @param {Array<string>} args */
const run = (command, ...args) => {
  const { status } = spawnSync(command, args, {
    cwd: root,
    shell: process.platform === "win32",
    stdio: ["ignore", "inherit", "inherit"]
  })
  if (status !== 0) process.exit(status ?? 1)
}

const unknown = process.argv.slice(2).filter((argument) => argument !== "--dry-run")
if (unknown.length > 0) {
  console.error(`Unknown argument ${JSON.stringify(unknown[0])}. The only option is --dry-run.`)
  process.exit(2)
}

const isDry = process.argv.includes("--dry-run")
const changesets = readdirSync(join(root, ".changeset")).filter((file) => file.endsWith(".md"))
if (!isDry && changesets.length > 0) {
  console.error(
    `The versions lack ${changesets.join(", ")} of .changeset: \`npm run versions\` makes them, then publish.`
  )
  process.exit(1)
}

run("npm", "run", "--silent", "packages")
if (isDry) {
  const selected = publicPackages.map(({ manifest }) => `--workspace=${manifest.name}`)
  run("npm", "publish", "--dry-run", "--loglevel=error", "--ignore-scripts", "--provenance=false", ...selected)
} else {
  run("npx", "--no-install", "changeset", "publish")
}
