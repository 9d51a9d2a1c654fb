// Packs every public package and checks the tarball as its users meet it.
import { execFile } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { promisify } from "node:util"
import { packInto, tarballOf } from "./pack.mjs"
import { declaredBy, fail, importsOf, packageOf, publicPackages, root, shown, sourcesOf } from "./workspace.mjs"

const run = promisify(execFile)

/** @param {string} tool @param {Array<string>} args */
const check = (tool, ...args) =>
  run(join(root, "node_modules", ".bin", tool), args).catch(({ stderr, stdout }) => fail(`${stdout}${stderr}`))

const license = readFileSync(join(root, "LICENSE"), "utf8")

/** What npm shows of a package. @param {import("./workspace.mjs").Workspace} workspace */
const checkManifest = ({ folder, manifest }) => {
  const directory = shown(folder).replaceAll("\\", "/")
  const file = `${directory}/package.json`
  if (manifest.repository?.directory !== directory) fail(`${file}: the directory of the repository is not ${directory}`)
  if (!manifest.homepage?.includes(`/${directory}#`)) fail(`${file}: the homepage does not name ${directory}`)
  if (manifest.publishConfig?.provenance !== true) fail(`${file}: publishConfig has no provenance`)
  for (const field of ["bugs", "description", "engines", "license"]) {
    if (!(field in manifest)) fail(`${file}: ${field} is missing`)
  }
  const own = join(folder, "LICENSE")
  if (!existsSync(own) || readFileSync(own, "utf8") !== license) {
    fail(`${directory}/LICENSE: not the LICENSE of the root`)
  }
}

publicPackages.forEach(checkManifest)

const tarballs = await mkdtemp(join(tmpdir(), "effect-oci-"))
await packInto(tarballs)

await Promise.all(publicPackages.map(async (each) => {
  const { folder, manifest } = each
  const modules = sourcesOf(each, "src").map((file) => relative(join(folder, "src"), file).replace(/\.ts$/, ""))
  const tarball = join(tarballs, tarballOf(each))
  await check("publint", "--strict", tarball)
  const entrypoints = modules.filter((module) => module !== "index" && !module.startsWith("internal/"))
  await check("attw", "--profile=esm-only", "--format=ascii", tarball, "--include-entrypoints", ".", ...entrypoints)

  // The compiler may write an import of its own into a declaration: of a hidden module, or of a package not declared.
  // Node's own modules are typed by whoever runs on Node, and only packages that need Node import them.
  const known = new Set([manifest.name, ...declaredBy(manifest)])
  const isKnown = (/** @type {string} */ specifier) => specifier.startsWith("node:") || known.has(packageOf(specifier))
  for (const module of modules) {
    const file = join(folder, "dist", `${module}.d.ts`)
    for (const specifier of importsOf(file).filter((imported) => !imported.startsWith("."))) {
      if (specifier.includes("/internal/") || !isKnown(specifier)) {
        fail(`${shown(file)}: names "${specifier}", which its users cannot import`)
      }
    }
  }
}))
await rm(tarballs, { recursive: true })
