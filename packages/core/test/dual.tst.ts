/** The combinators of `Answer` and `Body` take their subject first or last, with the same types. */
import * as Answer from "@effect-oci/core/Answer"
import type * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import type * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as Effect from "effect/Effect"
import { pipe } from "effect/Function"
import { describe, expect, test } from "tstyche"

declare const operation: Operation.GetBlob
declare const answer: Effect.Effect<number, "no", "service">
declare const blob: Answer.Answer<Operation.GetBlob>
declare const body: Body.Body
declare const fork: Source.Fork

describe("Answer", () => {
  test("has data-first and data-last combinators", () => {
    const interruptible = (pending: Effect.Effect<number, "no", "service">) => Effect.interruptible(pending)
    expect(Answer.ifPending(answer, interruptible)).type.toBe<Effect.Effect<number, "no", "service">>()
    expect(pipe(answer, Answer.ifPending(interruptible))).type.toBe<Effect.Effect<number, "no", "service">>()

    const effects = {
      onFailure: (error: "no") => Effect.succeed(error.length > 0),
      onSuccess: (result: number) => Effect.fail(result)
    }
    expect(Answer.matchEffect(answer, effects)).type.toBe<Effect.Effect<boolean, number, "service">>()
    expect(pipe(answer, Answer.matchEffect(effects))).type.toBe<Effect.Effect<boolean, number, "service">>()

    const values = { onFailure: (error: "no") => error.length > 0, onSuccess: (result: number) => String(result) }
    expect(Answer.match(answer, values)).type.toBe<Effect.Effect<string | boolean, never, "service">>()
    expect(pipe(answer, Answer.match(values))).type.toBe<Effect.Effect<string | boolean, never, "service">>()

    const maps = { content: (content: BlobContent.BlobContent) => content }
    expect(Answer.mapShape(blob, operation, maps)).type.toBe<Answer.Answer<Operation.GetBlob>>()
    expect(pipe(blob, Answer.mapShape(operation, maps))).type.toBe<Answer.Answer<Operation.GetBlob>>()
  })
})

describe("Body", () => {
  test("has data-first and data-last combinators", () => {
    const read = { limit: 1, onLimit: () => "too long" as const }
    expect(Body.toBytes(body, read)).type.toBe<Effect.Effect<Uint8Array, RegistryError | "too long">>()
    expect(body.pipe(Body.toBytes(read))).type.toBe<Effect.Effect<Uint8Array, RegistryError | "too long">>()

    expect(Body.forEachChunk(body, () => {})).type.toBe<Effect.Effect<void, RegistryError>>()
    expect(body.pipe(Body.forEachChunk(() => {}))).type.toBe<Effect.Effect<void, RegistryError>>()

    expect(Body.toSource(body, fork)).type.toBe<Source.Source>()
    expect(body.pipe(Body.toSource(fork))).type.toBe<Source.Source>()

    const next = () => () => Effect.succeed(undefined)
    expect(Body.continueWith(body, next, fork)).type.toBe<Body.Body>()
    expect(body.pipe(Body.continueWith(next, fork))).type.toBe<Body.Body>()
  })
})
