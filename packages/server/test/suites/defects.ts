import { Answer, Body, Digest, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { blob, blobPath, image } from "../fixtures.js"
import * as probe from "../probe.js"
import { check } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

export const defects = (composition: Composition) => {
  describe("defects", () => {
    const canary = "CANARY-secret"
    const bug = () => {
      throw new Error(canary)
    }
    const descriptor = { mediaType: "a/b", digest: Digest.fromBytes(image), size: 1 }
    const atHand = (operation: Operation.Operation) => {
      const blobLonger = probe.content(Body.bytes(blob), { size: 4096, range: { offset: 0, length: 9 } })
      switch (operation._tag) {
        case "GetManifest":
          return Answer.succeed({ descriptor, bytes: image } as never)
        case "GetBlob":
          return Answer.succeed(blobLonger(operation) as never)
        default:
          return Answer.succeed(undefined as never)
      }
    }
    const manifest = (mediaType: string) => ({ mediaType, digest: Digest.fromBytes(image), size: image.byteLength })

    it.scoped.each(
      [
        ["a handler that dies", () => Effect.die(new Error(canary)), true],
        ["a handler that dies later", () => Effect.zipRight(Effect.yieldNow(), Effect.die(new Error(canary))), true],
        ["a handler that throws", bug, true],
        ["a handler that throws in an effect", () => Effect.suspend((): Effect.Effect<never> => bug()), true],
        // @effect-diagnostics-next-line effectSucceedWithVoid:off
        ["a handler that returns undefined", () => Effect.succeed(undefined as never), true],
        ["a blob and a manifest in memory that are longer than declared", atHand, true],
        ["a handler that returns undefined later", () => Effect.as(Effect.yieldNow(), undefined as never), true],
        [
          "a type that ends a header",
          () => Effect.succeed(manifest("a/b\r\nset-cookie: evil")),
          composition.ownsSockets
        ],
        ["a type that no header can have", () => Effect.succeed(manifest("a/\u0100")), composition.ownsSockets]
      ] as const
    )("%s: sends 500, and writes one line to the log", ([, row, json]) =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({
            GetManifest: row as never,
            ResolveManifest: row,
            GetBlob: row as never,
            ListTags: row as never
          })
        })
        const internal = { errors: [{ code: "UNKNOWN", message: "internal error" }] }
        const path = "/v2/team/app/manifests/v1"
        const head = yield* running.ask({ method: "HEAD", path })
        expect(head.status).toBe(500)
        expect(JSON.stringify(head.headers)).not.toContain("evil")
        if (json) {
          yield* probe.until(() => running.lines.length > 0)
          expect(running.lines).toHaveLength(1)
          expect(running.lines[0]).toMatchObject({ level: "ERROR", message: "request died", method: "HEAD", path })
          for (const path of ["/v2/team/app/manifests/v1", blobPath, "/v2/team/app/tags/list"]) {
            const answer = yield* running.ask({ path })
            if (answer.status === 500) check(answer, { status: 500, body: internal })
            expect(answer.text).not.toContain(canary)
          }
        }
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped("writes the cause of a defect to the log", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({ GetManifest: () => Effect.die(new Error(canary)) })
        })
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 500, code: "UNKNOWN" })
        expect(running.lines[0]?.cause).toContain(canary)
      }))

    it.scoped("survives an invalid status", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({
            GetManifest: () => Effect.fail(new RegistryError.UnknownCode({ code: "ODD", status: 1000 }))
          })
        })
        expect((yield* running.ask({ path: "/v2/team/app/manifests/v1" })).status).toBe(500)
        check(yield* running.ask({ path: "/v2/" }), { status: 200 })
      }))

    it.scoped("answers 503 if the operation interrupts itself", () =>
      Effect.gen(function*() {
        const running = yield* start(composition, {
          registry: probe.answering({ GetManifest: () => Effect.zipRight(Effect.yieldNow(), Effect.interrupt) })
        })
        check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 503, code: "UNAVAILABLE" })
        expect(running.lines).toEqual([])
      }))
  })
}
