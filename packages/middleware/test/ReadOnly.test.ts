import { Answer, Handler, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as fc from "fast-check"
import { Logging, ReadOnly } from "../src/index.js"

const passes: { readonly [Tag in Operation.OperationTag]: boolean } = {
  ResolveBlob: true,
  GetBlob: true,
  ResolveManifest: true,
  GetManifest: true,
  PushBlob: false,
  MountBlob: false,
  StartUpload: false,
  GetUpload: false,
  AppendUpload: false,
  CompleteUpload: false,
  CancelUpload: false,
  PushManifest: false,
  DeleteBlob: false,
  DeleteManifest: false,
  DeleteTag: false,
  ListRepositories: true,
  ListTags: true,
  ListReferrers: true
}

/** Creates a registry that counts the operations that reach it. */
const counting = (seen: Array<string>): Handler.Handler => (operation) => {
  seen.push(operation._tag)
  return samples.known(operation)
}

const refused = (operation: Operation.Operation) =>
  Answer.fail(
    new RegistryError.Unsupported({ ...Operation.errorFields(operation), reason: "the registry is read-only" })
  )

describe("ReadOnly", () => {
  it.effect.each(samples.tags.map((tag) => ({ tag, verb: passes[tag] ? "passes" : "is refused" })))(
    "$tag $verb",
    ({ tag }) =>
      Effect.gen(function*() {
        const operation = samples.operations[tag]
        const seen: Array<string> = []
        const answer = yield* samples.answerOf(ReadOnly.middleware()(counting(seen)), operation)
        expect(seen).toEqual(passes[tag] ? [tag] : [])
        expect(answer).toEqual(passes[tag] ? yield* samples.answerOf(samples.known, operation) : refused(operation))
      })
  )

  it("returns the effect of the registry unchanged for reads", () => {
    const answer = Effect.succeed(samples.descriptor)
    const readOnly = ReadOnly.middleware()(Handler.fromTable({ ...samples.answers, ResolveBlob: () => answer }))
    expect(readOnly(samples.operations.ResolveBlob)).toBe(answer)
  })

  it.effect.each<{ name: string; tag: Operation.OperationTag; message: string }>([
    { name: "a tag", tag: "DeleteTag", message: "DeleteTag team/app:v1: the registry is read-only" },
    {
      name: "a digest",
      tag: "DeleteBlob",
      message: `DeleteBlob team/app@${samples.digest}: the registry is read-only`
    },
    { name: "a repository alone", tag: "CancelUpload", message: "CancelUpload team/app: the registry is read-only" }
  ])("names the refused operation: $name", ({ message, tag }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Effect.scoped(ReadOnly.middleware()(samples.known)(samples.operations[tag]))
      )
      expect(error._tag).toBe("OciUnsupported")
      expect(error.message).toBe(message)
    }))

  describe("obeys its laws in results and errors of any operation", () => {
    const law = (name: string, left: Middleware.Middleware, right: Middleware.Middleware) =>
      it(name, () =>
        fc.assert(fc.asyncProperty(samples.anyOperation, async (operation) => {
          const both = Effect.all([
            samples.answerOf(left(samples.known), operation),
            samples.answerOf(right(samples.known), operation)
          ])
          const [a, b] = await Effect.runPromise(Effect.provide(both, Logger.remove(Logger.defaultLogger)))
          expect(a).toEqual(b)
        })))
    const once = ReadOnly.middleware()
    const logging = Logging.middleware()
    law("idempotent", (next) => once(once(next)), once)
    law("commutes with Logging", (next) => once(logging(next)), (next) => logging(once(next)))
  })

  it.effect("wraps a layer in a new layer at each call", () =>
    Effect.gen(function*() {
      const base = Registry.layerHandler(samples.known)
      const registry = yield* Effect.provide(Registry, base.pipe(ReadOnly.wrap()))
      expect(yield* registry.resolveBlob(samples.repository, samples.digest)).toEqual(samples.descriptor)
      const error = yield* Effect.flip(registry.deleteTag(samples.repository, samples.tag))
      expect(error._tag).toBe("OciUnsupported")
      expect(ReadOnly.layer()).not.toBe(ReadOnly.layer())
      const wrap = ReadOnly.wrap()
      expect(wrap(base)).not.toBe(wrap(base))
    }))
})
