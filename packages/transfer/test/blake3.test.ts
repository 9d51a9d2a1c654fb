import { Body, Descriptor, Digest, MediaType, Registry } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeLayoutImages from "../src/NodeLayoutImages.js"
import * as NodeLayoutTar from "../src/NodeLayoutTar.js"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { v1 } from "./support.js"

const { repository } = NodeOciLayout

const built = <E>(layer: Layer.Layer<Registry, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Registry))

const text = `{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[]}`
const encoded = "53678118798607a23519e878e5bb4dec83123fb4d9fa5fba84a5abf38c0ade0f"
const digest = Digest.make(`blake3:${encoded}`)

/** Writes a layout as another program does, with one manifest. */
const writtenElsewhere = (path: string) => {
  mkdirSync(join(path, "blobs", "blake3"), { recursive: true })
  writeFileSync(join(path, "blobs", "blake3", encoded), text)
  writeFileSync(join(path, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
  const annotations = { "org.opencontainers.image.ref.name": v1 }
  const manifests = [{ mediaType: MediaType.index, digest, size: text.length, annotations }]
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }))
}

describe("a layout with blake3 digests", () => {
  it.scoped("is read, although this process has not loaded blake3", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writtenElsewhere(path)
      expect(Digest.verifiable(digest)).toBe(undefined)
      const layout = yield* built(NodeOciLayout.layer(path))
      expect((yield* layout.getManifest(repository, v1)).descriptor.digest).toBe(digest)
      expect((yield* NodeLayoutImages.find(path, digest)).digest).toBe(digest)
    }))

  it.scoped("stores pushed blobs, and keeps them in an archive", () =>
    Effect.gen(function*() {
      const path = yield* folder
      writtenElsewhere(path)
      yield* Digest.load("blake3")
      const content = new Uint8Array(100_000).fill(7)
      const blob = Descriptor.fromBytes(content, MediaType.layer, "blake3")
      const layout = yield* built(NodeOciLayout.layer(path))
      yield* layout.pushBlob(repository, blob, Body.bytes(content))
      expect(readdirSync(join(path, "blobs", "blake3")).sort()).toEqual([encoded, blob.digest.slice(7)].sort())

      const copy = yield* folder
      yield* NodeLayoutTar.unpack(NodeLayoutTar.pack(path), copy)
      const registry = yield* built(NodeOciLayout.layer(copy))
      expect((yield* registry.getManifest(repository, digest)).descriptor.digest).toBe(digest)
      const { body } = yield* registry.getBlob(repository, blob.digest)
      const read = yield* Body.toBytes(body, { limit: 1e6, onLimit: () => "large" })
      expect(Buffer.compare(read, content)).toBe(0)
    }))
})
