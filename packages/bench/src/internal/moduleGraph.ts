import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

/** The directory of the repository. */
export const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** Returns a file and all that it imports statically, so what Node loads when a program imports the file. */
const reached = (file: string, importsOf: (file: string) => ReadonlyArray<{ path: string; kind: string }>) => {
  const found = new Set<string>()
  const visit = (file: string): void => {
    if (found.has(file)) return
    found.add(file)
    for (const { kind, path } of importsOf(file)) if (kind !== "dynamic-import") visit(path)
  }
  visit(file)
  return found
}

const internal = <Import extends { readonly external?: boolean | undefined }>(imports: ReadonlyArray<Import>) =>
  imports.filter(({ external }) => external !== true)

/**
 * Returns the modules that Node loads for each of the built files: the file itself, and all that it imports statically.
 * esbuild finds them, in the same way as Node.
 */
export const modulesOf = (
  files: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, ReadonlySet<string>>> =>
  Effect.promise(async () => {
    const { metafile: { inputs } } = await build({
      absWorkingDir: root,
      bundle: true,
      conditions: ["node"],
      entryPoints: [...files],
      format: "esm",
      mainFields: ["main"],
      metafile: true,
      outdir: "unused",
      platform: "node",
      splitting: true,
      tsconfigRaw: {},
      write: false
    })
    return new Map(files.map((file) => [file, reached(file, (input) => internal(inputs[input]?.imports ?? []))]))
  })

/**
 * Returns the size of a program in a browser, minified and compressed with gzip, in bytes, without Effect. What the program
 * imports late does not count.
 */
export const sizeOf = (program: string): Effect.Effect<number> =>
  Effect.promise(async () => {
    const { metafile: { outputs }, outputFiles } = await build({
      absWorkingDir: root,
      bundle: true,
      external: ["effect", "@effect/*", "node:*"],
      format: "esm",
      metafile: true,
      minify: true,
      outdir: root,
      platform: "browser",
      splitting: true,
      stdin: { contents: program, resolveDir: `${root}packages/bench` },
      tsconfigRaw: {},
      write: false
    })
    const entry = Object.keys(outputs).find((output) => outputs[output]?.entryPoint === "<stdin>") ?? ""
    const loaded = reached(entry, (output) => internal(outputs[output]?.imports ?? []))
    const contents = outputFiles.filter(({ path }) => loaded.has(path.slice(root.length)))
    return gzipSync(Buffer.concat(contents.map((file) => file.contents)), { level: 9 }).byteLength
  })
