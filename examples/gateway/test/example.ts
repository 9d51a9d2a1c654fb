/** Shared by the tests of this example: users, and an image. */
import { Descriptor, MediaType } from "@effect-oci/core"
import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { join } from "node:path"

/** Hashes of `admin-secret`, `alice-secret` and `bob-secret`. */
const users = `
admin:$2b$04$QoLYH1qABq9ysdr4Jn2hkOM.cvKGNvVuLXmU9fnL/gVVN0ibX.SU6
alice:$2b$04$G7UzvYhaaKrtVIY7qecpqunT4xKATdB2iH2KIB0qSX1Gw8mGDnXd2
bob:$2b$04$t2/vg7y6.LheM60jagBazeYGMdFoVKRCdmnCfiwal82FL2zIutqo6
`

/** Creates a folder with the file of users. The folder is removed with the scope. */
export const folder = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempDirectoryScoped({ prefix: "gateway-" })
  yield* files.writeFileString(join(path, "users"), users)
  return path
})

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Writes an OCI layout with an image of one layer, as `v1`. The layer is an empty tar archive. */
export const writeLayout = (path: string, size: number) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const write = (value: Uint8Array, mediaType: string) =>
      Effect.gen(function*() {
        const descriptor = Descriptor.fromBytes(value, mediaType)
        yield* files.writeFile(join(path, "blobs", "sha256", descriptor.digest.slice("sha256:".length)), value)
        return descriptor
      })
    yield* files.makeDirectory(join(path, "blobs", "sha256"), { recursive: true })
    const layer = yield* write(new Uint8Array(size), MediaType.layer)
    const rootfs = { type: "layers", diff_ids: [layer.digest] }
    const config = yield* write(json({ architecture: "amd64", os: "linux", config: {}, rootfs }), MediaType.imageConfig)
    const image = json({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer] })
    const annotations = { "org.opencontainers.image.ref.name": "v1" }
    const manifests = [{ ...(yield* write(image, MediaType.image)), annotations }]
    yield* files.writeFile(join(path, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }))
    yield* files.writeFile(join(path, "index.json"), json({ schemaVersion: 2, manifests }))
  })
