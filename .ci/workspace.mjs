// Where the packages, the examples and their sources lie.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import ts from "typescript"

/** @typedef {{ private?: boolean, homepage?: string, repository?: { directory?: string }, imports?: object }} Shown */
/** @typedef {{ dependencies?: object, peerDependencies?: object, publishConfig?: { provenance?: boolean } }} Used */
/** @typedef {{ name: string, version: string } & Shown & Used} Manifest */
/** @typedef {{ kind: "packages" | "examples", name: string, folder: string, manifest: Manifest }} Workspace */

export const root = resolve(import.meta.dirname, "..")

/** @param {string} file */
export const shown = (file) => relative(root, file)

/** @param {"packages" | "examples"} kind @returns {Array<Workspace>} */
const workspacesIn = (kind) =>
  readdirSync(join(root, kind)).map((name) => {
    const folder = join(root, kind, name)
    return { kind, name, folder, manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) }
  })

export const workspaces = [...workspacesIn("packages"), ...workspacesIn("examples")]

export const publicPackages = workspaces.filter(({ manifest }) => manifest.private !== true)

/** @param {Workspace} workspace @param {"src" | "test" | "app"} part */
export const sourcesOf = ({ folder }, part) =>
  existsSync(join(folder, part))
    ? readdirSync(join(folder, part), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => join(folder, part, file))
    : []

/** Returns the built declarations of the modules that users can import. @param {Workspace} workspace */
export const declarationsOf = (workspace) =>
  sourcesOf(workspace, "src")
    .map((file) => relative(join(workspace.folder, "src"), file))
    .filter((file) => !file.startsWith("internal"))
    .map((file) => join(workspace.folder, "dist", file.replace(/\.tsx?$/, ".d.ts")))

/** Returns the Markdown files of a folder and of its `docs`. @param {string} folder */
export const markdownOf = (folder) =>
  [folder, join(folder, "docs"), join(folder, "docs/how-to")].flatMap((each) =>
    existsSync(each) ? readdirSync(each).filter((file) => file.endsWith(".md")).map((file) => join(each, file)) : []
  )

/** What its users may install beside it. @param {Manifest} manifest */
export const declaredBy = (manifest) => Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })

/** Everything that a file imports or exports from elsewhere, types included. @param {string} file */
export const importsOf = (file) => {
  const text = readFileSync(file, "utf8")
  // `preProcessFile` skips `export * as name from`.
  const namespaces = [...text.matchAll(/^export \* as \w+ from "(.+)"$/gm)].map(([, specifier]) => String(specifier))
  return [...ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName), ...namespaces]
}

/** @param {string} specifier such as `@scope/name/module` or `name/module` */
export const packageOf = (specifier) => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

/** The root's project: all sources, tests and the tooling. @param {ts.CompilerOptions} overrides */
export const wholeProject = (overrides) => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (file) => ts.sys.readFile(file))
  return ts.parseJsonConfigFileContent(config, ts.sys, root, overrides)
}

/** Says what is wrong, and makes the program fail. @param {string} problem */
export const fail = (problem) => {
  console.error(problem)
  process.exitCode = 1
}
