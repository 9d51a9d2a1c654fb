import type { Handler } from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Expected, Model, Wrapper } from "../Law.js"
import { perform } from "./response.js"
import type { Response } from "./response.js"
import type { Line, Script, Stage } from "./script.js"
import { backend } from "./spec.js"

/** Composes several wrappers. The last wrapper is the outermost. */
export const stack = (wrappers: ReadonlyArray<Wrapper>): Effect.Effect<Middleware, never, Scope.Scope> =>
  Effect.map(
    Effect.forEach(wrappers, (wrapper) => Effect.isEffect(wrapper) ? wrapper : Effect.succeed(wrapper)),
    (all) => (next) => all.reduce((handle, wrap) => wrap(handle), next)
  )

/** The model of a registry in several wrappers. */
export const stage = (models: ReadonlyArray<Model>): Stage => {
  const all = [backend("0")]
  const another = () => {
    const one = backend(String(all.length))
    all.push(one)
    return one.spec
  }
  const behind = all[0]!.spec
  const front = models.reduce((spec, model) => model(spec, another), behind)
  return {
    front,
    behind,
    save: () => {
      const restores = all.map(({ save }) => save())
      return () => restores.forEach((restore) => restore())
    }
  }
}

/** The id of an upload session that was never opened, so that every registry rejects it. */
const unopened = "00000000-0000-0000-0000-000000000000"

/** The ids that a registry gave to the upload sessions of a script. */
class Ids {
  private readonly known = new Map<string, string>()

  of(operation: Operation.Operation): Operation.Operation {
    return "id" in operation
      ? Operation.withUploadId(operation, this.known.get(operation.id) ?? unopened)
      : operation
  }

  note({ opens, operation }: Line, id: string | undefined): void {
    if (id !== undefined) this.known.set("id" in operation ? operation.id : opens, id)
  }
}

/** Creates a function that runs the lines of a script. */
export const runner = (behind: Handler, front: Handler) => {
  const ids = new Ids()
  return (line: Line): Effect.Effect<Response> =>
    Effect.map(perform(line.behind ? behind : front, ids.of(line.operation)), ({ response, upload }) => {
      ids.note(line, upload?.id)
      return response
    })
}

/** The line of a script with an unexpected response. */
export interface Fault {
  readonly at: number
  readonly expected: Expected
  readonly response: Response
}

/** The result of a script: the number of operations, the number that succeeded, and the fault, if any. */
export interface Verdict {
  readonly operations: number
  readonly succeeded: number
  readonly kinds: ReadonlySet<Operation.OperationTag>
  readonly fault: Fault | undefined
}

/** Runs a script against a wrapped registry, and compares the responses with the models. */
export const judge = (
  layer: Layer.Layer<Registry>,
  wrappers: ReadonlyArray<Wrapper>,
  models: ReadonlyArray<Model>,
  script: Script
): Effect.Effect<Verdict> =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const runLine = runner(handle, (yield* stack(wrappers))(handle))
    const spec = stage(models)
    const ids = new Ids()
    const kinds = new Set<Operation.OperationTag>()
    let succeeded = 0
    let operations = 0
    for (const [at, line] of script.entries()) {
      const expected = (line.behind ? spec.behind : spec.front)(ids.of(line.operation))
      if ("result" in expected) ids.note(line, expected.upload)
      const response = yield* runLine(line)
      if (!agrees(expected, response)) return { operations, succeeded, kinds, fault: { at, expected, response } }
      if (line.behind) continue
      operations++
      if (response.error === undefined) {
        succeeded++
        kinds.add(response.operation)
      }
    }
    return { operations, succeeded, kinds, fault: undefined }
  }).pipe(Effect.scoped, Effect.provide(layer))

const notFound: ReadonlySet<string> = new Set(["OciBlobUnknown", "OciManifestUnknown", "OciNameUnknown"])

const agrees = (expected: Expected, { error, result }: Response): boolean => {
  if ("result" in expected) return error === undefined && canonical(result) === canonical(expected.result)
  return error !== undefined &&
    (expected.errors.includes(error) ||
      (error === "NotFound" && expected.errors.some((each) => notFound.has(each))))
}

/** Serializes data. The order of fields does not matter. */
const canonical = (data: unknown): string | undefined =>
  JSON.stringify(data, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).toSorted(([one], [other]) => one < other ? -1 : 1))
      : field)

/** The first difference between the responses of two registries that started in the same state. */
export interface Difference {
  readonly at: number
  readonly left: Response
  readonly right: Response
}

/** Runs the same script against two registries, each with its own wrappers. */
export const compare = (
  layer: () => Layer.Layer<Registry>,
  [left, right]: readonly [Wrapper, Wrapper],
  script: Script,
  messages: boolean
): Effect.Effect<Difference | undefined> => {
  const responses = (wrapper: Wrapper) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      return yield* Effect.forEach(script, runner(handle, (yield* stack([wrapper]))(handle)))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  return Effect.zipWith(responses(left), responses(right), (one, other) => {
    const textOf = (each: Response | undefined) => canonical(messages ? each : { ...each, message: undefined })
    const at = one.findIndex((each, index) => textOf(each) !== textOf(other[index]))
    return at < 0 ? undefined : { at, left: one[at]!, right: other[at]! }
  }, { concurrent: true })
}
