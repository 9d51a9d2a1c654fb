import { bundle } from "@effect-oci/testing/NodeBundle"
import { expect, it } from "@effect/vitest"
import { gzipSync } from "node:zlib"
import { entry } from "./worker.js"

it("is a bundle that imports nothing of Node, and fits into a worker of the free plan (3 MB)", async () => {
  const text = await bundle(entry, { platform: "browser", minify: true })
  expect(text).not.toMatch(/(from|import|require)\s*\(?["'](node:|[a-z])/)
  expect(gzipSync(text).byteLength).toBeLessThan(500_000)
}, 60_000)
