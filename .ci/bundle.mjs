// Bundles a program, `examples/copy/src/main.ts`, into one file that starts quickly.
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"

const root = resolve(import.meta.dirname, "..")

/** A change of these changes any bundle. */
const tooling = [".ci/bundle.mjs", "package-lock.json", "node_modules/.package-lock.json", "tsconfig.base.json"]

/**
 * Gives each source the URL and the folder of the file that `tsc` compiles it to, so that paths relative to it hold.
 *
 * @type {import("esbuild").Plugin}
 */
const ownLocation = {
  name: "own location",
  setup: (bundling) => {
    bundling.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const compiled = path.replace(/([\\/])src([\\/].*)\.ts$/, "$1dist$2.js")
      const contents = readFileSync(path, "utf8")
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(compiled).href))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(compiled)))
      return { contents, loader: "ts" }
    })
  }
}

/**
 * Replaces the index of undici, which loads its fetch, its web sockets and its mocks, by what our packages import: half
 * of the time that a program needs to start. esbuild fails for an import that is not in this list.
 *
 * @type {import("esbuild").Plugin}
 */
const smallUndici = {
  name: "small undici",
  setup: (bundling) => {
    bundling.onLoad({ filter: /[\\/]undici[\\/]index\.js$/ }, () => ({
      contents: `
        import api from "./lib/api"
        import Dispatcher from "./lib/dispatcher/dispatcher"
        Object.assign(Dispatcher.prototype, api)
        export { Dispatcher }
        export { default as Agent } from "./lib/dispatcher/agent"
        export { default as Pool } from "./lib/dispatcher/pool"
        export { default as buildConnector } from "./lib/core/connect"
        export { default as DecoratorHandler } from "./lib/handler/decorator-handler"
        export { getGlobalDispatcher } from "./lib/global"
        export default {
          get Socks5ProxyAgent() {
            return require("./lib/dispatcher/socks5-proxy-agent")
          }
        }`,
      loader: "js"
    }))
  }
}

/** @param {string} path @returns {Array<string>} */
const filesIn = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesIn(join(path, name))) : [relative(root, path)]

/** Builds the page of the explorer, if a program serves it. Returns its sources. @param {string} program */
const explorerOf = async (program) => {
  const { dependencies } = JSON.parse(readFileSync(join(root, program, "../../package.json"), "utf8"))
  if (!("@effect-oci/explorer" in dependencies)) return []
  const script = join(root, "packages/explorer/scripts/build.mjs")
  const { status } = spawnSync(process.execPath, [script], { stdio: ["ignore", 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
  const { sources } = await import(pathToFileURL(script).href)
  return sources.flatMap(filesIn)
}

/** @param {string} file @param {string | Uint8Array} contents */
const write = (file, contents) => {
  writeFileSync(`${file}.${process.pid}`, contents)
  renameSync(`${file}.${process.pid}`, file)
}

/**
 * Bundles a program from the sources into a folder, and writes to `stamp.json` there what the bundle was made of.
 * Returns the bundle.
 *
 * @param {string} program @param {string} folder @returns {Promise<string>}
 */
export const bundle = async (program, folder) => {
  const page = await explorerOf(program)
  const { metafile, outputFiles: [file] } = await build({
    absWorkingDir: root,
    // Node wraps a module in the same function.
    banner: { js: "(function (exports, require, module, __filename, __dirname) {" },
    bundle: true,
    entryNames: "[name]-[hash]",
    entryPoints: [program],
    footer: { js: "})" },
    format: "cjs",
    metafile: true,
    outdir: folder,
    outExtension: { ".js": ".cjs" },
    platform: "node",
    logOverride: { "import-is-undefined": "error" },
    plugins: [ownLocation, smallUndici],
    target: "node20",
    write: false
  })
  if (file === undefined) throw new Error(`esbuild did not bundle ${program}`)
  const name = basename(file.path)
  const sources = Object.keys(metafile.inputs).filter((input) => !input.includes("node_modules/"))
  const inputs = [...tooling, ...page, ...sources].map((input) => [input, statSync(join(root, input)).mtimeMs])
  mkdirSync(folder, { recursive: true })
  write(join(folder, name), file.contents)
  write(join(folder, "stamp.json"), JSON.stringify({ name, inputs: Object.fromEntries(inputs) }))
  for (const other of readdirSync(folder)) {
    if (!other.startsWith(name) && other !== "stamp.json") rmSync(join(folder, other), { force: true })
  }
  return join(folder, name)
}
