/** Shared by the tests of this example: users, and a service that decides about manifests. */
import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { createServer } from "node:http"
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
  const path = yield* files.makeTempDirectoryScoped({ prefix: "gateway-" })
  yield* files.writeFileString(join(path, "users"), users)
  return path
})

/** Serves a scanner that denies the manifests of repositories called `…/bad`. Returns its URL and what it was asked. */
export const scanner = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly asked: ReadonlyArray<string>; readonly close: () => void }>(
    (resume) => {
      const asked: Array<string> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const { repository } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly repository: string }
          asked.push(repository)
          response.end(JSON.stringify({ allowed: !repository.endsWith("/bad"), reason: "it contains a worm" }))
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, asked, close: () => void server.close() }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)
