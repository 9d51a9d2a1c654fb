// Holds the floors of the house: what each package may import, and that its package.json declares just that.
import { isBuiltin } from "node:module"
import { join, relative, resolve } from "node:path"
import { declaredBy, fail, importsOf, packageOf, shown, sourcesOf, workspaces } from "./workspace.mjs"

/** The packages that each one may stand on. @type {Record<string, Array<string>>} */
const floors = {
  core: [],
  protocol: ["core"],
  store: ["core"],
  "store-files": ["core", "store"],
  "store-sql": ["core", "store"],
  "store-r2": ["core", "store"],
  "store-s3": ["core", "store", "transport"],
  durable: ["core", "store", "store-files", "store-sql"],
  middleware: ["core"],
  recording: ["core"],
  verify: ["core"],
  transport: ["core", "protocol"],
  guard: ["core", "protocol"],
  auth: ["core", "protocol", "transport"],
  client: ["core", "protocol", "transport", "auth"],
  server: ["core", "protocol", "guard"],
  explain: ["core", "protocol", "transport", "auth", "client", "server"],
  explorer: ["core", "protocol", "server"],
  daemon: ["core", "protocol", "guard", "server", "store"],
  clustered: ["store", "store-sql", "store-s3", "daemon"],
  resolver: ["core", "middleware", "transport", "auth", "client"],
  transfer: ["core", "store", "store-files", "middleware", "resolver"],
  "create-effect-oci": [],
  "store-cli": ["core", "store", "durable", "clustered", "daemon", "transfer"]
}
const released = Object.keys(floors)
floors.conformance = [...released]
floors.laws = [...released]
floors.testing = [...released, "conformance", "laws"]
floors["local-cluster"] = [...released, "conformance", "testing"]
floors.runtimes = [...released, "conformance", "laws", "testing"]
floors.bench = [...released, "conformance", "laws", "testing", "local-cluster"]

/**
 * These run in every JavaScript runtime. Only modules whose file or folder is named `node…` use Node, and the index of the
 * package does not import these modules.
 */
const portable = new Set([
  "core",
  "protocol",
  "store",
  "store-sql",
  "store-r2",
  "store-s3",
  "middleware",
  "recording",
  "verify",
  "transport",
  "guard",
  "server",
  "auth",
  "client",
  "resolver",
  "transfer",
  "daemon",
  "explain",
  "explorer",
  "laws"
])

/** The packages that the page of the explorer bundles, with those below them. */
const page = new Set([
  "@effect-oci/auth",
  "@effect-oci/client",
  "@effect-oci/core",
  "@effect-oci/transfer",
  "@effect-oci/transport"
])

/** @param {string} file */
const namedForNode = (file) => /\/src\/(?:.*\/)?node[^/]*(?:\/[^/]*)?$/i.test(file)

/** Adds the modules of a package that a module imports, directly or through other modules. @param {string} file */
const reach = (file, /** @type {Set<string>} */ found = new Set()) => {
  if (found.has(file)) return found
  found.add(file)
  for (const specifier of importsOf(file)) {
    if (specifier.startsWith(".")) reach(resolve(file, "..", specifier.replace(/\.js$/, ".ts")), found)
  }
  return found
}

/** The tests of these stay on their floor; all other tests may stand on any package. */
const strictTests = new Set(["core", "protocol"])

/** @param {string} folder @param {string} file @param {string} specifier */
const leaves = (folder, file, specifier) => relative(folder, resolve(file, "..", specifier)).startsWith("..")

const versions = new Map(workspaces.map(({ manifest }) => [manifest.name, manifest.version]))

for (const workspace of workspaces) {
  const { folder, kind, manifest, name } = workspace
  const floor = kind === "examples" ? Object.keys(floors) : floors[name]
  if (floor === undefined) {
    fail(`${shown(folder)}: has no floor in .ci/floors.mjs`)
    continue
  }
  const allowed = new Set(floor.map((below) => `@effect-oci/${below}`))
  const declared = new Set(declaredBy(manifest))
  const used = new Set()

  /** @param {string} file @param {string} specifier @param {string} why */
  const refuse = (file, specifier, why) => fail(`${shown(file)}: imports "${specifier}": ${why}`)

  for (const file of sourcesOf(workspace, "src")) {
    for (const specifier of importsOf(file)) {
      const imported = packageOf(specifier)
      if (specifier.startsWith(".")) {
        if (leaves(join(folder, "src"), file, specifier)) {
          refuse(file, specifier, "it leaves the sources of its package")
        }
      } else if (specifier.startsWith("#")) {
        if (!(specifier in (manifest.imports ?? {}))) refuse(file, specifier, "its package.json does not declare it")
      } else if (isBuiltin(specifier)) {
        if (portable.has(name) && !namedForNode(file)) refuse(file, specifier, `${name} uses nothing of Node's`)
      } else if (imported.startsWith("@effect-oci/") && !allowed.has(imported)) {
        refuse(file, specifier, `${name} stands on ${floor.join(", ") || "no other package"}`)
      } else if (!declared.has(imported)) {
        refuse(file, specifier, "its package.json does not declare it")
      }
      used.add(imported)
    }
  }
  for (const [dependency, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const version = versions.get(dependency)
    if (version !== undefined && range !== `^${version}`) {
      fail(`${shown(folder)}/package.json: needs ${dependency} ${range}, and its version here is ${version}`)
    }
  }
  for (const dependency of declared) {
    // Declarations of a package that has none of its own.
    if (!used.has(dependency.replace(/^@types\//, ""))) {
      fail(`${shown(folder)}/package.json: declares "${dependency}", which no source imports`)
    }
  }

  if (portable.has(name)) {
    const file = [...reach(join(folder, "src", "index.ts"))].find(namedForNode)
    if (file !== undefined) fail(`${shown(file)}: the index of ${name} imports it, and then does not run without Node`)
  }

  for (const file of sourcesOf(workspace, "app")) {
    for (const specifier of importsOf(file)) {
      if (isBuiltin(specifier)) refuse(file, specifier, "it runs in a browser")
      if (specifier.startsWith("@effect-oci/") && !page.has(packageOf(specifier))) {
        refuse(file, specifier, "the page does not bundle this package")
      }
    }
  }

  for (const file of sourcesOf(workspace, "test")) {
    for (const specifier of importsOf(file)) {
      const imported = packageOf(specifier)
      if (specifier.startsWith(".")) {
        if (leaves(folder, file, specifier)) refuse(file, specifier, "it leaves its package")
      } else if (strictTests.has(name) && imported.startsWith("@effect-oci/") && imported !== manifest.name) {
        if (!allowed.has(imported)) refuse(file, specifier, `the tests of ${name} stay on its floor`)
      }
    }
  }
}
