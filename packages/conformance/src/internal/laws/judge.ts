import type { Handler } from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Expected, Model, Wrapper } from "../../Law.js"
import { tell } from "../telling.js"
import type { Told } from "../telling.js"
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

/** A registry that runs a script. */
const asking = (behind: Handler, front: Handler) => {
  const ids = new Ids()
  return (line: Line): Effect.Effect<Told> =>
    Effect.map(tell(line.behind ? behind : front, ids.of(line.operation)), ({ told, upload }) => {
      ids.note(line, upload?.id)
      return told
    })
}

/** The place in a script where a registry gave an unexpected answer. */
export interface Fault {
  readonly at: number
  readonly expected: Expected
  readonly told: Told
}

/** The result of a script: the number of operations, the number that succeeded, and the fault, if any. */
export interface Verdict {
  readonly operations: number
  readonly succeeded: number
  readonly asked: ReadonlySet<Operation.OperationTag>
  readonly fault: Fault | undefined
}

/** Runs a script against a wrapped registry, and compares the answers with the models. */
export const judge = (
  layer: Layer.Layer<Registry>,
  wrappers: ReadonlyArray<Wrapper>,
  models: ReadonlyArray<Model>,
  script: Script
): Effect.Effect<Verdict> =>
  Effect.gen(function*() {
    const { handle } = yield* Registry
    const ask = asking(handle, (yield* stack(wrappers))(handle))
    const spec = stage(models)
    const ids = new Ids()
    const asked = new Set<Operation.OperationTag>()
    let succeeded = 0
    let operations = 0
    for (const [at, line] of script.entries()) {
      const expected = (line.behind ? spec.behind : spec.front)(ids.of(line.operation))
      if ("result" in expected) ids.note(line, expected.upload)
      const told = yield* ask(line)
      if (!agrees(expected, told)) return { operations, succeeded, asked, fault: { at, expected, told } }
      if (line.behind) continue
      operations++
      if (told.error === undefined) {
        succeeded++
        asked.add(told.ask)
      }
    }
    return { operations, succeeded, asked, fault: undefined }
  }).pipe(Effect.scoped, Effect.provide(layer))

const notFound: ReadonlySet<string> = new Set(["BlobUnknown", "ManifestUnknown", "NameUnknown"])

const agrees = (expected: Expected, told: Told): boolean => {
  if ("result" in expected) return told.error === undefined && canonical(told.result) === canonical(expected.result)
  return told.error !== undefined &&
    (expected.errors.includes(told.error) ||
      (told.error === "NotFound" && expected.errors.some((error) => notFound.has(error))))
}

/** Serializes data. The order of fields does not matter. */
const canonical = (data: unknown): string | undefined =>
  JSON.stringify(data, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).toSorted(([one], [other]) => one < other ? -1 : 1))
      : field)

/** The first difference between the answers of two registries that started in the same state. */
export interface Difference {
  readonly at: number
  readonly left: Told
  readonly right: Told
}

/** Runs the same script against two registries, each with its own wrappers. */
export const compare = (
  layer: () => Layer.Layer<Registry>,
  [left, right]: readonly [Wrapper, Wrapper],
  script: Script,
  messages: boolean
): Effect.Effect<Difference | undefined> => {
  const told = (wrapper: Wrapper) =>
    Effect.gen(function*() {
      const { handle } = yield* Registry
      return yield* Effect.forEach(script, asking(handle, (yield* stack([wrapper]))(handle)))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  return Effect.zipWith(told(left), told(right), (one, other) => {
    const said = (each: Told | undefined) => canonical(messages ? each : { ...each, message: undefined })
    const at = one.findIndex((each, index) => said(each) !== said(other[index]))
    return at < 0 ? undefined : { at, left: one[at]!, right: other[at]! }
  }, { concurrent: true })
}
