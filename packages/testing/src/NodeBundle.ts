/**
 * Bundles a module of this repository for a runtime.
 *
 * @since 0.1.0
 */
import { build, type BuildOptions, type Plugin } from "esbuild"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../../", import.meta.url))

/** Resolves the packages of this repository to their sources, so that none has to be built first. */
const sources: Plugin = {
  name: "sources",
  setup: (bundle) =>
    bundle.onResolve({ filter: /^@effect-oci\// }, ({ path }) => {
      const [, name, module = "index"] = path.split("/")
      return { path: `${packages}${name}/src/${module}.ts` }
    })
}

/** What the packages that have several builds are asked for. */
const platforms: { readonly [Name in "browser" | "node"]: BuildOptions } = {
  browser: {
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"]
  },
  node: { platform: "node", conditions: ["node"], mainFields: ["module", "main"] }
}

/**
 * Bundles a module and all that it imports to one text. `browser` is for browsers and workers, `node` is for the runtimes
 * that have the modules of Node.
 *
 * @since 0.1.0
 * @category bundling
 */
export const bundle = async (
  entry: string,
  options: { readonly platform: "browser" | "node"; readonly minify?: boolean }
): Promise<string> => {
  const { outputFiles: [file] } = await build({
    bundle: true,
    ...platforms[options.platform],
    entryPoints: [entry],
    // A test framework is loaded only where there is one.
    external: ["node:*", "cloudflare:*", "@effect/vitest"],
    format: "esm",
    logLevel: "error",
    minify: options.minify ?? false,
    plugins: [sources],
    target: "es2022",
    write: false
  })
  return file!.text
}
