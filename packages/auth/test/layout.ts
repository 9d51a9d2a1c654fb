/** An OCI layout with one small image, for programs that copy an image. */
import { Descriptor, MediaType } from "@effect-oci/core"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** An empty tar archive. */
const layer = new Uint8Array(1024)
const layerDescriptor = Descriptor.fromBytes(layer, MediaType.layer)
const config = json({
  architecture: "amd64",
  os: "linux",
  config: {},
  rootfs: { type: "layers", diff_ids: [layerDescriptor.digest] }
})
const configDescriptor = Descriptor.fromBytes(config, MediaType.imageConfig)
const manifest = json({
  schemaVersion: 2,
  mediaType: MediaType.image,
  config: configDescriptor,
  layers: [layerDescriptor]
})

export const image = { manifest, blobs: [[configDescriptor, config], [layerDescriptor, layer]] } as const
export const digest = Descriptor.fromBytes(manifest).digest

/** Writes the layout into a folder, with the tag `v1`. */
export const write = (folder: string): void => {
  const blobs = join(folder, "blobs", "sha256")
  mkdirSync(blobs, { recursive: true })
  const descriptor = {
    ...Descriptor.fromBytes(manifest, MediaType.image),
    annotations: { "org.opencontainers.image.ref.name": "v1" }
  }
  writeFileSync(join(folder, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }))
  writeFileSync(join(folder, "index.json"), json({ schemaVersion: 2, manifests: [descriptor] }))
  for (const [{ digest }, bytes] of [...image.blobs, [descriptor, manifest] as const]) {
    writeFileSync(join(blobs, digest.slice("sha256:".length)), bytes)
  }
}
