import { connect, serve } from "@effect-oci/testing/NodeScripted"
import { blob, descriptor, repository } from "@effect-oci/testing/Samples"
import { expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import type { Notice } from "../src/Warnings.js"

/** A registry that has a blob, and sends a warning with each answer. */
const warning = (header: string) =>
  serve(() => ({
    status: 200,
    headers: { warning: header, "content-length": String(blob.byteLength), "docker-content-digest": descriptor.digest }
  }))

it.scopedLive("reports each warning of a registry once", () =>
  Effect.gen(function*() {
    const server = yield* warning(`299 - "moves on \\"Monday\\"", 299 - "and \u0080 beeps"`)
    const heard: Array<Notice> = []
    const registry = yield* connect(server, { onNotice: (notice) => Effect.sync(() => void heard.push(notice)) })
    yield* registry.resolveBlob(repository, descriptor.digest)
    yield* registry.resolveBlob(repository, descriptor.digest)
    expect(heard).toEqual([
      { origin: server.origin, text: `moves on "Monday"` },
      { origin: server.origin, text: "and \\u0080 beeps" }
    ])
  }))

it.scopedLive("logs warnings by default, and does not change the answer", () =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const server = yield* warning(`299 - "moves on Monday"`)
    const registry = yield* connect(server)
    const found = yield* registry.resolveBlob(repository, descriptor.digest).pipe(
      Effect.provide(
        Logger.replace(Logger.defaultLogger, Logger.map(Logger.logfmtLogger, (line) => void lines.push(line)))
      )
    )
    expect(found.size).toBe(blob.byteLength)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(`level=WARN`)
    expect(lines[0]).toContain(`message="moves on Monday"`)
    expect(lines[0]).toContain(`registry=${server.origin}`)
  }))

it.scopedLive("reports at most a hundred different warnings", () =>
  Effect.gen(function*() {
    let count = 0
    const server = yield* serve(() => ({
      status: 200,
      headers: { warning: `299 - "${count++}"`, "content-length": "1" }
    }))
    const heard: Array<Notice> = []
    const registry = yield* connect(server, { onNotice: (notice) => Effect.sync(() => void heard.push(notice)) })
    yield* Effect.replicateEffect(registry.resolveBlob(repository, descriptor.digest), 150, { concurrency: 10 })
    expect(heard).toHaveLength(100)
  }))
