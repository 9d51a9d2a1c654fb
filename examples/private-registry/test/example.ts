/** Shared by the tests of this example: users. */
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
  const path = yield* files.makeTempDirectoryScoped({ prefix: "private-registry-" })
  yield* files.writeFileString(join(path, "users"), users)
  return path
})
