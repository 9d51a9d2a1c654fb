/** The cluster for tests, with programs that are built from the sources. */
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import { NodeContext } from "@effect/platform-node"
import { Effect } from "effect"
import { build } from "esbuild"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Cluster from "../src/cluster.js"
import * as nginx from "../src/nginx.js"
import * as once from "../src/once.js"

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..")

/** What is missing on this machine, or `undefined`. */
export const missing: string | undefined = !NodePostgres.available
  ? "PostgreSQL is not installed"
  : nginx.find() === undefined
  ? "nginx is not installed"
  : undefined

if (missing !== undefined) process.stderr.write(`Left out, because ${missing}: the tests of the cluster\n`)

/** Builds a program in a directory in which it finds the packages. */
const program = (entry: string, directory: string, name: string) =>
  Effect.promise(async () => {
    const outfile = join(directory, name)
    await build({
      entryPoints: [join(root, entry)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
      external: ["pg-native"],
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url)"
      }
    })
    return outfile
  })

const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const cache = join(root, "node_modules/.cache")
    mkdirSync(cache, { recursive: true })
    return mkdtempSync(join(cache, "effect-oci-cluster-"))
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Starts a cluster with the small S3, and runs steps. Returns whether all succeeded. */
export const run = (
  { env, titles, ...options }: Omit<once.RunOptions, "steps"> & {
    readonly titles: ReadonlyArray<string>
    readonly env?: { readonly [name: string]: string }
  }
) =>
  Effect.gen(function*() {
    const folder = yield* directory
    const cluster = yield* Cluster.start({
      programs: {
        node: yield* program("examples/cluster/src/main.ts", folder, "node.mjs"),
        s3: yield* program("packages/local-cluster/src/smallS3.ts", folder, "s3.mjs")
      },
      smallS3: true,
      env,
      say: () => Effect.void
    })
    const steps = [...once.steps, ...once.longSteps].filter(({ title }) => titles.includes(title))
    return yield* once.run(cluster, { ...options, steps })
  }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
