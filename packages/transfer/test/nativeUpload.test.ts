/** An upload keeps its native source from the file to the socket. */
import * as NodeClient from "@effect-oci/client/NodeClient"
import { Body, Digest, Registry, RepositoryName } from "@effect-oci/core"
import { Logging, Metrics, Retry } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import * as files from "@effect-oci/store-files/NodeDurableFile"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option } from "effect"
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { folder } from "./folder.js"

const repository = RepositoryName.make("team/app")

/** Records in which fibers a body is opened and is resumed. A native consumer is in no fiber. */
const observed = (body: Body.Body) => {
  const seen = { opened: 0, fibers: 0 }
  const note = () => {
    if (Option.isSome(Fiber.getCurrentFiber())) seen.fibers++
  }
  const { source } = body
  if (source === undefined) throw new Error("the body of a file has no native source")
  const content = Body.fromSource((sink) => {
    seen.opened++
    note()
    const control = source(sink)
    return {
      resume: () => {
        note()
        control.resume()
      },
      cancel: control.cancel
    }
  }, body)
  return { content, seen }
}

describe("a file that is pushed through a client", () => {
  it.scoped("is sent by its native source, and no fiber runs for a chunk", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(3 * 1024 * 1024 + 7)
      const path = join(yield* folder, "blob")
      writeFileSync(path, bytes)
      const served = yield* Layer.build(NodeRegistryServer.layer({ port: 0 }).pipe(Layer.provideMerge(Memory.layer())))
      const { authority } = Context.get(served, NodeRegistryServer.Address)
      const client = NodeClient.layer({ host: authority, insecure: true })
      const registry = Context.get(
        yield* Layer.build(client.pipe(Retry.wrap(), Logging.wrap(), Metrics.wrap())),
        Registry
      )
      const { content, seen } = observed(yield* files.read(path))
      const digest = Digest.fromBytes(bytes)
      const descriptor = { mediaType: "application/octet-stream", digest, size: bytes.byteLength }
      yield* registry.pushBlob(repository, descriptor, content)
      expect(seen).toEqual({ opened: 1, fibers: 0 })
      const stored = yield* Context.get(served, Registry).getBlob(repository, digest)
      const read = yield* Body.toBytes(stored.body, { limit: Infinity, onLimit: () => new Error("too long") })
      expect(bytes.equals(read)).toBe(true)
    }))
})
