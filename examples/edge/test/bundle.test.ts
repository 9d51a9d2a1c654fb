import * as NodeWorkers from "@effect-oci/testing/NodeWorkers"
import { expect, it } from "@effect/vitest"
import { gzipSync } from "node:zlib"
import { entry } from "./worker.js"

it("is a bundle that imports nothing of Node, and fits into a worker of the free plan (3 MB)", async () => {
  const text = await NodeWorkers.bundle(entry, { minify: true })
  expect(text).not.toMatch(/(from|import|require)\s*\(?["'](node:|[a-z])/)
  expect(gzipSync(text).byteLength).toBeLessThan(500_000)
}, 60_000)
