import { Registry } from "@effect-oci/core"
import * as NodeFileSystem from "@effect-oci/store-files/NodeFileSystem"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { basename, dirname } from "node:path"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { folder } from "./folder.js"
import { app, pushImage, v1 } from "./support.js"

/** A file system that records what it syncs and renames, in order. */
const recording = (calls: Array<string>): NodeFileSystem.FileSystem => ({
  ...NodeFileSystem.node,
  open: async (path, flags, mode) => {
    const file = await NodeFileSystem.node.open(path, flags, mode)
    return {
      readv: (into, position) => file.readv(into, position),
      writev: (chunks, position) => file.writev(chunks, position),
      truncate: (size) => file.truncate(size),
      stat: () => file.stat(),
      close: () => file.close(),
      datasync: async () => {
        await file.datasync()
        calls.push(`datasync ${basename(path)}`)
      },
      sync: async () => {
        await file.sync()
        calls.push(`sync ${basename(path)}`)
      }
    }
  },
  rename: async (from, to) => {
    calls.push(`rename ${basename(from)} ${basename(dirname(to))}`)
    await NodeFileSystem.node.rename(from, to)
  }
})

describe("the disk under a layout", () => {
  it.scoped("has all content, then the names of all files, before the index lists the manifest", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const calls: Array<string> = []
      yield* Effect.gen(function*() {
        const context = yield* Layer.build(NodeOciLayout.layer(path, { create: true, repository: app }))
        calls.length = 0
        yield* pushImage(
          Context.get(context, Registry),
          ["one", new Uint8Array(2_000_000), "three"],
          {},
          [v1]
        )
      }).pipe(Effect.provideService(NodeFileSystem.NodeFileSystem, recording(calls)))
      const placed = calls.flatMap((call) => /^rename (\S+) sha256$/.exec(call)?.[1] ?? [])
      // A configuration, three layers and the manifest.
      expect(placed).toHaveLength(5)
      for (const file of placed) {
        expect(calls.indexOf(`datasync ${file}`)).toBeGreaterThan(-1)
        expect(calls.indexOf(`datasync ${file}`)).toBeLessThan(calls.indexOf(`rename ${file} sha256`))
      }
      const lastPlaced = calls.indexOf(`rename ${placed.at(-1)} sha256`)
      const index = calls.findIndex((call) => call.endsWith(` ${basename(path)}`) && call.startsWith("rename"))
      expect(calls.slice(lastPlaced, index).filter((call) => call === "sync sha256")).toHaveLength(1)
      expect(calls.filter((call) => call === "sync sha256")).toHaveLength(1)
    }))
})
