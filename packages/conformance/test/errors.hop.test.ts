import { Operation, RegistryError, RepositoryName } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as Laws from "@effect-oci/laws/Laws"
import * as Arbitraries from "@effect-oci/testing/Arbitraries"
import { expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"

/** Operations with the methods GET, HEAD, POST, PATCH, PUT and DELETE. */
const operations = fc.oneof(
  Arbitraries.operations.ResolveBlob,
  Arbitraries.operations.ResolveManifest,
  Arbitraries.operations.GetManifest,
  Arbitraries.operations.StartUpload,
  Arbitraries.operations.PushBlob,
  Arbitraries.operations.PushManifest,
  Arbitraries.operations.DeleteManifest,
  Arbitraries.operations.ListTags
) as fc.Arbitrary<Operation.Operation>

const failing = (error: RegistryError.RegistryError): Handler.Handler => () => Effect.fail(error) as never

/** Returns the tag, message and data of an error, without the fields that each hop sets itself. */
const shown = (error: RegistryError.RegistryError): object => {
  const { cause: _, detail, diagnostics: __, reason: ___, registry: ____, retryAfter, status: _____, ...rest } = error
  const { method: ______, url: _______, ...data } = { method: undefined, url: undefined, ...rest }
  const outcomes = error._tag !== "OciPartialFailure" ? undefined : error.outcomes.map(({ error, name }) => ({
    name,
    error: error === undefined ? undefined : shown(error)
  }))
  return JSON.parse(JSON.stringify({
    ...data,
    outcomes,
    detail: detail ?? undefined,
    message: error.message,
    // The header Retry-After contains whole seconds.
    retryAfter: retryAfter === undefined ? undefined : Math.ceil(retryAfter / 1000)
  })) as object
}

const throughHops = (error: RegistryError.RegistryError, operation: Operation.Operation, hops: number) =>
  Effect.gen(function*() {
    const handle = yield* Laws.wrap(failing(error), Array.from({ length: hops }, () => Laws.hop))
    const run: Effect.Effect<unknown, RegistryError.RegistryError> = operation._tag === "ListTags"
      ? Effect.flatMap(handle(operation), Stream.runDrain)
      : handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>
    return yield* Effect.flip(run)
  })

it("every error keeps its tag, message and data through hops", () =>
  fc.assert(
    fc.asyncProperty(
      Arbitraries.registryError,
      operations,
      fc.integer({ min: 1, max: 3 }),
      async (error, operation, hops) => {
        const sent = RegistryError.withFields(error, { ...Operation.errorFields(operation), status: undefined })
        const arrived = await Effect.runPromise(Effect.scoped(throughHops(sent, operation, hops)))
        expect(shown(arrived)).toEqual(shown(sent))
      }
    ),
    { numRuns: 200, seed: 20_261_121 }
  ), 60_000)

it.scoped("a TagConflict keeps the digests of the members through hops, also for HEAD", () =>
  Effect.gen(function*() {
    const repository = RepositoryName.make("team/app")
    const [reference] = fc.sample(Arbitraries.tag, { numRuns: 1, seed: 1 })
    const members = fc.sample(Arbitraries.digest, { numRuns: 2, seed: 1 }).map((digest, at) => ({
      name: `m${at}`,
      digest
    }))
    const conflict = new RegistryError.TagConflict({ tag: reference!, members })
    for (const Class of [Operation.ResolveManifest, Operation.GetManifest]) {
      const error = yield* throughHops(conflict, new Class({ repository, reference: reference! }), 2)
      expect(error).toMatchObject({ _tag: "OciTagConflict", tag: reference, members, repository })
    }
  }))
