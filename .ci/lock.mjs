// Checks that each package-lock.json lets `npm ci` work on every platform, from any registry.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fail, root } from "./workspace.mjs"

/** @typedef {{ dependencies?: object, optionalDependencies?: object, resolved?: string, integrity?: string }} Locked */

/** The folders in which Node looks for what a folder imports. @param {string} folder @returns {Array<string>} */
const placesOf = (folder) => folder === "" ? [""] : [folder, ...placesOf(folder.replace(/(^|\/)[^/]*$/, ""))]

for (const file of ["package-lock.json", "docs/site/package-lock.json"]) {
  /** @type {Record<string, Locked & { link?: boolean, inBundle?: boolean }>} */
  const packages = JSON.parse(readFileSync(join(root, file), "utf8")).packages

  for (const [folder, locked] of Object.entries(packages)) {
    // npm leaves out the packages of other platforms if it makes a lock from an installed `node_modules`.
    for (const name of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) {
      const places = placesOf(folder).map((place) => `${place === "" ? "" : `${place}/`}node_modules/${name}`)
      if (!places.some((place) => place in packages)) fail(`${file}: ${folder} needs ${name}, which is missing`)
    }
    if (!folder.includes("node_modules/") || locked.link === true) continue
    if (locked.resolved !== undefined) fail(`${file}: ${folder} names the registry that it came from`)
    if (locked.integrity === undefined && locked.inBundle !== true) fail(`${file}: ${folder} has no integrity`)
  }
}
