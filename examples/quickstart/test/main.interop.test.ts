import * as NodePeers from "@effect-oci/testing/NodePeers"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { beforeAll } from "vitest"
import { build, freePort, run } from "./quickstart.js"

describe.runIf(NodePeers.have("skopeo"))("the quickstart", () => {
  beforeAll(build, 120_000)

  it.scopedLive("serves its image to skopeo, and accepts the image from skopeo", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const quickstart = yield* run(port)
      yield* quickstart.serving
      const [digest = ""] = /sha256:[0-9a-f]{64}/.exec(/^pulled.*$/m.exec(quickstart.stdout())?.[0] ?? "") ?? []
      const files = yield* FileSystem.FileSystem
      const at = (name: string) => `docker://127.0.0.1:${port}/${name}`
      const digestOf = (name: string) => NodePeers.skopeo("inspect", "--format", "{{.Digest}}", name)
      const folder = yield* files.makeTempDirectoryScoped({ prefix: "hello-" })
      const copy = (from: string, to: string) => NodePeers.skopeo("copy", "--preserve-digests", from, to)
      yield* copy(at("team/hello:v1"), `oci:${folder}:v1`)
      yield* copy(`oci:${folder}:v1`, at("team/copy:v1"))
      for (const name of [at("team/hello:v1"), `oci:${folder}:v1`, at("team/copy:v1")]) {
        expect((yield* digestOf(name)).trim()).toBe(digest)
      }
    }).pipe(Effect.provide(NodeContext.layer)))
})
