/** Programs that tests run in processes of their own. */
import { Effect } from "effect"
import { build } from "esbuild"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))

const cache = join(here, "../../../node_modules/.cache")

/** Creates a folder that is removed at the end of the scope. */
export const folderIn = (parent: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(parent, { recursive: true })
      return mkdtemp(join(parent, "effect-oci-crash-"))
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )

/** Builds a program from the sources, in a folder in which it finds `libsql`, and changes its text. Returns its path. */
export const buildProgram = (name: string, change = (text: string) => text) =>
  Effect.map(folderIn(cache), (path) => join(path, `${name}.mjs`)).pipe(
    Effect.tap((outfile) =>
      Effect.promise(async () => {
        await build({
          entryPoints: [join(here, `programs/${name}.ts`)],
          outfile,
          bundle: true,
          platform: "node",
          format: "esm",
          logLevel: "error",
          banner: {
            js: "import { createRequire as required } from 'node:module'; const require = required(import.meta.url)"
          }
        })
        await writeFile(outfile, change(await readFile(outfile, "utf8")))
      })
    )
  )
