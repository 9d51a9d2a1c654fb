// Packs the public packages as npm would upload them. `node .ci/pack.mjs [DIRECTORY]`, by default into `tarballs`.
import { execFile } from "node:child_process"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { writeTemplates } from "../packages/create-effect-oci/scripts/templates.mjs"
import { fail, publicPackages, root, shown } from "./workspace.mjs"

/** @param {import("./workspace.mjs").Workspace} workspace */
export const tarballOf = ({ manifest }) =>
  `${manifest.name.replace(/^@/, "").replace("/", "-")}-${manifest.version}.tgz`

/** Removes what was built from sources that no longer exist. @param {import("./workspace.mjs").Workspace} workspace */
const removeStale = ({ folder }) => {
  const files = existsSync(join(folder, "dist"))
    ? readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" })
    : []
  for (const module of files.filter((file) => file.endsWith(".d.ts")).map((file) => file.slice(0, -".d.ts".length))) {
    if (existsSync(join(folder, "src", `${module}.ts`))) continue
    for (const end of [".js", ".js.map", ".d.ts", ".d.ts.map"]) {
      rmSync(join(folder, "dist", module + end), { force: true })
    }
  }
}

/** Packs what is built. @param {string} directory */
export const packInto = async (directory) => {
  writeTemplates(join(root, "packages/create-effect-oci/templates")).forEach(fail)
  publicPackages.forEach(removeStale)
  await mkdir(directory, { recursive: true })
  const selected = publicPackages.map(({ manifest }) => `--workspace=${manifest.name}`)
  await promisify(execFile)(
    "npm",
    ["pack", "--silent", "--ignore-scripts", `--pack-destination=${directory}`, ...selected],
    { cwd: root, shell: process.platform === "win32" }
  )
}

if (process.argv[1] === import.meta.filename) {
  const directory = resolve(process.argv[2] ?? join(root, "tarballs"))
  await packInto(directory)
  console.log(`Packed ${publicPackages.length} packages. Install all of them in a project of yours:`)
  console.log(`  npm i ${shown(directory)}/*.tgz effect@3 @effect/platform@0 @effect/platform-node@0`)
}
