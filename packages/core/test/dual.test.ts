/** The combinators of `Answer`, `Body` and `Operation` give the same result with their subject first or last. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, pipe } from "effect"
import * as Answer from "../src/Answer.js"
import * as Body from "../src/Body.js"
import * as Digest from "../src/Digest.js"
import * as Operation from "../src/Operation.js"
import * as RepositoryName from "../src/RepositoryName.js"

const operation = new Operation.GetBlob({
  repository: RepositoryName.make("team/app"),
  digest: Digest.fromBytes(new Uint8Array(0))
})
const body = Body.bytes(new Uint8Array([1, 2]))
const fork = () => {
  throw new Error("no stream is read")
}

describe("Answer", () => {
  const success = Answer.succeed(1)
  it("ifPending", () => {
    const pending = Effect.suspend(() => success)
    expect(pipe(success, Answer.ifPending(Effect.interruptible))).toBe(Answer.ifPending(success, Effect.interruptible))
    expect(pipe(pending, Answer.ifPending(() => success))).toBe(success)
  })

  it("matchEffect and match", () => {
    const effects = { onFailure: () => Answer.succeed("failed"), onSuccess: () => Answer.succeed("done") }
    const values = { onFailure: () => "failed", onSuccess: () => "done" }
    for (const [answer, expected] of [[success, "done"], [Answer.fail("no"), "failed"]] as const) {
      expect(pipe(answer as Effect.Effect<number, string>, Answer.matchEffect(effects))).toEqual(Exit.succeed(expected))
      expect(pipe(answer as Effect.Effect<number, string>, Answer.match(values))).toEqual(Exit.succeed(expected))
    }
  })

  it("mapShape", () => {
    const content = { descriptor: { mediaType: "a/b", digest: operation.digest, size: 2 }, body } as never
    const changed = { changed: true } as never
    const maps = { content: () => changed }
    expect(pipe(Answer.succeed(content), Answer.mapShape(operation, maps))).toEqual(Exit.succeed(changed))
    expect(Answer.mapShape(Answer.succeed(content), operation, maps)).toEqual(Exit.succeed(changed))
  })
})

describe("Body", () => {
  it.effect("toBytes and forEachChunk", () =>
    Effect.gen(function*() {
      const read = { limit: 10, onLimit: () => "too long" }
      expect(yield* body.pipe(Body.toBytes(read))).toEqual(yield* Body.toBytes(body, read))
      const chunks: Array<Uint8Array> = []
      yield* body.pipe(Body.forEachChunk((chunk) => void chunks.push(chunk)))
      expect(chunks).toEqual([new Uint8Array([1, 2])])
    }))

  it.effect("toSource and continueWith", () =>
    Effect.gen(function*() {
      const again = Body.fromSource(body.pipe(Body.toSource(fork)))
      const twice = again.pipe(
        Body.continueWith(() => (_, passed) => Exit.succeed(passed === 2 ? body : undefined), fork)
      )
      expect(yield* Body.toBytes(twice, { limit: 10, onLimit: () => "too long" })).toEqual(new Uint8Array([1, 2, 1, 2]))
    }))
})

describe("Operation", () => {
  it("mapBody and matchShape", () => {
    const push = new Operation.PushBlob({
      repository: operation.repository,
      descriptor: { mediaType: "a/b", digest: operation.digest, size: 2 },
      body: Body.empty
    })
    expect(pipe(push, Operation.mapBody(() => body)).body).toBe(body)
    const shapes = { value: () => "value", content: () => "content", list: () => "list" }
    expect(pipe(operation, Operation.matchShape(shapes))).toBe("content")
  })
})
