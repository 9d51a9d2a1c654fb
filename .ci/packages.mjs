// Packs every public package and checks the tarball as its users meet it.
import { execFile } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { promisify } from "node:util"
import ts from "typescript"
import { packInto, tarballOf } from "./pack.mjs"
import { wrongPlaces } from "./versions.mjs"
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

/** Returns the package that has the types of a module, such as `@types/pg` for `pg`. @param {string} specifier @param {string} file */
const providerOf = (specifier, file) => {
  const options = { moduleResolution: ts.ModuleResolutionKind.NodeNext }
  const { resolvedModule } = ts.resolveModuleName(
    specifier,
    file,
    options,
    ts.sys,
    undefined,
    undefined,
    ts.ModuleKind.ESNext
  )
  return resolvedModule?.packageId?.name ?? "no package"
}

/** Everything that npm installs with a package. @param {string} name */
const installedWith = (name, /** @type {Set<string>} */ found = new Set()) => {
  if (found.has(name)) return found
  found.add(name)
  const file = join(root, "node_modules", name, "package.json")
  /** @type {{ dependencies?: object, peerDependencies?: object, peerDependenciesMeta?: Record<string, object> }} */
  const { dependencies, peerDependencies = {}, peerDependenciesMeta = {} } = existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8"))
    : {}
  const peers = Object.keys(peerDependencies).filter((peer) => !("optional" in (peerDependenciesMeta[peer] ?? {})))
  for (const needed of [...Object.keys(dependencies ?? {}), ...peers]) installedWith(needed, found)
  return found
}

/** What the examples of a README import, its commands install. @param {import("./workspace.mjs").Workspace} workspace */
const checkInstall = ({ folder }) => {
  const readme = readFileSync(join(folder, "README.md"), "utf8")
  const commands = [...readme.matchAll(/^npm i (.+)$/gm)].flatMap(([, names = ""]) => names.split(" "))
  /** @type {Set<string>} */
  const installed = new Set()
  for (const name of commands) installedWith(name.replace(/(?<=.)@\d.*$/, ""), installed)
  const imported = [...readme.matchAll(/^(?:import|\}) .*from "([^."][^"]*)"$/gm)].map(([, each = ""]) => each)
  for (const name of new Set(imported.filter((each) => !each.startsWith("node:")).map(packageOf))) {
    if (!installed.has(name)) fail(`${shown(folder)}/README.md: imports ${name}, which its "npm i" does not install`)
  }
}

publicPackages.forEach(checkManifest)
publicPackages.forEach(checkInstall)
wrongPlaces().forEach(fail)

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
  for (const module of modules) {
    const file = join(folder, "dist", `${module}.d.ts`)
    for (const specifier of importsOf(file).filter((imported) => !imported.startsWith("."))) {
      if (specifier.startsWith("node:")) continue
      const provider = providerOf(specifier, file)
      if (specifier.includes("/internal/") || !known.has(packageOf(specifier))) {
        fail(`${shown(file)}: names "${specifier}", which its users cannot import`)
      } else if (!known.has(provider)) {
        fail(`${shown(file)}: names "${specifier}", whose types are in ${provider}, which is not declared`)
      }
    }
  }
}))
await rm(tarballs, { recursive: true })
