/** A bundle for browsers: programs without blake3 do not load it. */
import { describe, expect, it } from "@effect/vitest"
import { build } from "esbuild"
import type { Metafile } from "esbuild"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const program = `
  import { Digest } from "./packages/core/src/index.js"
  import * as Effect from "effect/Effect"
  export const hash = (bytes, algorithm) =>
    Effect.runPromise(Effect.map(Digest.load(algorithm), () => Digest.fromBytes(bytes, algorithm)))
`

const bundleTo = (outdir: string) =>
  build({
    stdin: { contents: program, resolveDir: root },
    outdir,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    platform: "browser",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    logLevel: "error"
  })

/** Returns the source files in the chunks that a browser loads at the start. */
const sourcesAtStart = ({ outputs }: Metafile): ReadonlyArray<string> => {
  const loaded = new Set(Object.keys(outputs).filter((path) => path.endsWith("stdin.mjs")))
  for (const path of loaded) {
    for (const { kind, path: imported } of outputs[path]?.imports ?? []) {
      if (kind === "import-statement") loaded.add(imported)
    }
  }
  return [...loaded].flatMap((path) => Object.keys(outputs[path]?.inputs ?? {}))
}

describe("a bundle for browsers", () => {
  it("loads blake3 only when a program needs it", async () => {
    const cache = join(root, "node_modules/.cache")
    await mkdir(cache, { recursive: true })
    const outdir = await mkdtemp(join(cache, "effect-oci-bundle-"))
    try {
      const { metafile } = await bundleTo(outdir)
      const sources = sourcesAtStart(metafile)
      expect(sources.some((path) => path.endsWith("packages/core/src/internal/hash.ts"))).toBe(true)
      expect(sources.filter((path) => /hash-wasm|hashes\/blake3/.test(path))).toEqual([])
      expect(Object.keys(metafile.inputs).filter((path) => /hash-wasm|hashes\/blake3/.test(path))).toHaveLength(2)
      const { hash } = await import(/* @vite-ignore */ pathToFileURL(join(outdir, "stdin.mjs")).href) as {
        readonly hash: (bytes: Uint8Array, algorithm: string) => Promise<string>
      }
      expect(await hash(new Uint8Array(), "blake3"))
        .toBe("blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
    } finally {
      await rm(outdir, { recursive: true, force: true })
    }
  })
})
