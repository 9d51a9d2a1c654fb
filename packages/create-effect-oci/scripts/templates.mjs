// Makes the templates of `create-effect-oci` from the examples: `node packages/create-effect-oci/scripts/templates.mjs`.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fail, importsOf, packageOf, root, shown, workspaces } from "../../../.ci/workspace.mjs"

const home = "https://github.com/effect-oci/effect-oci/tree/main"
const shared = join(root, "packages/create-effect-oci/template")
/** @type {{ devDependencies: Record<string, string> }} */
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const versions = new Map(workspaces.map(({ manifest }) => [manifest.name, `^${manifest.version}`]))

/** Tests of what stays behind: the repository, and its servers for tests. @param {string} file */
const staysBehind = (file) =>
  /\.(interop|soak|workers)\.test\.ts$|(^|\/)(dist|node_modules)(\/|$)|\/clone\.test\.ts$/.test(file)

/** @param {string} folder @returns {Array<string>} */
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** What a file says about its place in the repository. @param {string} text @param {string} name */
const moved = (text, name) =>
  text
    .replaceAll("../../../node_modules/", "../node_modules/")
    .replaceAll(/\]\(\.\.\/\.\.\/((?:packages|docs)[^)]*)\)/g, `](${home}/$1)`)
    .replaceAll(/\]\(\.\.\/([\w-]+)\)/g, "](examples/$1)")
    .replaceAll(`npx tsc -b examples/${name}`, "npm run build")
    .replaceAll(`examples/${name}/`, "")
    .replaceAll(new RegExp(`\\bnpm run ${name}\\b`, "g"), "npm start")
    .replaceAll(/\bexamples\/(?=[a-z])/g, `${home}/examples/`)
    .replaceAll(/\bnpm run store -- /g, "npx @effect-oci/store-cli ")

/** @param {import("../../../.ci/workspace.mjs").Workspace} example @param {string} target */
const packageJson = ({ manifest, name }, target) => {
  // Several packages need these beside them.
  const peers = ["@effect/platform", "@effect/platform-node"]
  /** @type {Record<string, string>} */
  const dependencies = { ...manifest.dependencies }
  for (const peer of peers) dependencies[peer] ??= devDependencies[peer] ?? ""
  const imported = filesIn(target).filter((file) => file.endsWith(".ts")).flatMap(importsOf).map(packageOf)
  const tools = ["typescript", "vitest", "@types/node"]
  const used = [...new Set([...imported, ...tools])]
    .filter((each) => !/^(node:|\.)/.test(each) && !(each in dependencies))
    .sort()
  return {
    name,
    version: "0.0.0",
    private: true,
    type: "module",
    scripts: {
      start: "npm run --silent build && node dist/main.js",
      build: "tsc",
      test: "vitest run",
      check: "tsc --noEmit -p test"
    },
    dependencies: Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => a < b ? -1 : 1)),
    devDependencies: Object.fromEntries(used.map((each) => {
      const version = devDependencies[each] ?? versions.get(each)
      if (version === undefined) fail(`examples/${name}: the root does not have the version of ${each}`)
      return [each, version]
    })),
    engines: { node: ">=20.16" }
  }
}

/** Returns what stands in the way of a project of its own. @param {import("../../../.ci/workspace.mjs").Workspace} example @param {string} target */
const writeTemplate = (example, target) => {
  const { folder, name } = example
  const isServer = filesIn(join(folder, "src")).some((file) => readFileSync(file, "utf8").includes(`"HOST"`))
  cpSync(shared, target, { recursive: true, filter: (file) => isServer || !file.endsWith("Dockerfile") })
  cpSync(folder, target, {
    recursive: true,
    filter: (file) => !staysBehind(relative(folder, file)) && !/^(package|tsconfig)\.json$/.test(relative(folder, file))
  })
  const problems = filesIn(target).flatMap((file) => {
    const text = moved(readFileSync(file, "utf8"), name)
    writeFileSync(file, text)
    const left = text.match(/\.\.\/\.\.\/|@effect-oci\/(testing|bench)\b|\.ci\//)
    return left === null ? [] : [`${shown(join(folder, relative(target, file)))}: a template cannot have ${left[0]}`]
  })
  writeFileSync(join(target, "package.json"), `${JSON.stringify(packageJson(example, target), undefined, 2)}\n`)
  return problems
}

/** Its tests need the workers of this repository. */
const withoutTemplate = new Set(["edge"])

/** Writes all templates into a directory. Returns the problems. @param {string} directory */
export const writeTemplates = (directory) => {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return workspaces
    .filter(({ kind, name }) => kind === "examples" && !withoutTemplate.has(name))
    .flatMap((example) => writeTemplate(example, join(directory, example.name)))
}

if (process.argv[1] === import.meta.filename) {
  writeTemplates(join(root, "packages/create-effect-oci/templates")).forEach(fail)
}
