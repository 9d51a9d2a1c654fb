// Packs every public package and checks the tarball as its users meet it.
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { promisify } from "node:util"
import { declaredBy, fail, importsOf, packageOf, publicPackages, root, shown, sourcesOf } from "./workspace.mjs"

const run = promisify(execFile)

/** @param {string} tool @param {Array<string>} args */
const check = (tool, ...args) =>
  run(join(root, "node_modules", ".bin", tool), args).catch(({ stderr, stdout }) => fail(`${stdout}${stderr}`))

const tarballs = await mkdtemp(join(tmpdir(), "effect-oci-"))
const selected = publicPackages.map(({ manifest }) => `--workspace=${manifest.name}`)
await run("npm", ["pack", "--silent", "--ignore-scripts", `--pack-destination=${tarballs}`, ...selected], { cwd: root })

await Promise.all(publicPackages.map(async (each) => {
  const { folder, manifest } = each
  const modules = sourcesOf(each, "src").map((file) => relative(join(folder, "src"), file).replace(/\.ts$/, ""))
  const tarball = join(tarballs, `${manifest.name.slice(1).replace("/", "-")}-${manifest.version}.tgz`)
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
