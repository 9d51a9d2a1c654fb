/** Shared by the tests of this example: users, a free port, and an image. */
import { Descriptor, MediaType } from "@effect-oci/core"
import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
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
  const path = yield* files.makeTempDirectoryScoped({ prefix: "private-registry-" })
  yield* files.writeFileString(join(path, "users"), users)
  return path
})

/** Returns a port that was free a moment ago. */
export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Writes an OCI layout with a small image, as `v1`. */
export const writeLayout = (folder: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const write = (value: Uint8Array, mediaType: string) =>
      Effect.gen(function*() {
        const descriptor = Descriptor.fromBytes(value, mediaType)
        yield* files.writeFile(join(folder, "blobs", "sha256", descriptor.digest.slice("sha256:".length)), value)
        return descriptor
      })
    yield* files.makeDirectory(join(folder, "blobs", "sha256"), { recursive: true })
    // The layer is an empty tar archive.
    const layer = yield* write(new Uint8Array(1024), MediaType.layer)
    const rootfs = { type: "layers", diff_ids: [layer.digest] }
    const config = yield* write(json({ architecture: "amd64", os: "linux", config: {}, rootfs }), MediaType.imageConfig)
    const image = { schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer] }
    const annotations = { "org.opencontainers.image.ref.name": "v1" }
    const manifests = [{ ...(yield* write(json(image), MediaType.image)), annotations }]
    yield* files.writeFile(join(folder, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }))
    yield* files.writeFile(join(folder, "index.json"), json({ schemaVersion: 2, manifests }))
  })

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
