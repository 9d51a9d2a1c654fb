import * as Answer from "@effect-oci/core/Answer"
import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import type * as Handler from "@effect-oci/core/Handler"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { PCGRandom } from "effect/Utils"
import type { Failure, Fault, Fired, Plan } from "./faultModel.js"
import * as truncation from "./truncation.js"

/** The implementation of the faults of `Faulty`. */

type Cut = Extract<Fault, { readonly _tag: "Cut" }>

export const reset: Failure = (fields) => new RegistryError.TransportError({ ...fields, reason: "connection reset" })

/** Tests whether an operation can have a fault. */
export const canMeet = (fault: Fault, operation: Operation.Operation): boolean => {
  switch (fault._tag) {
    case "Fail":
    case "Lose":
    case "Stall":
      return true
    case "Duplicate":
      return Operation.bodyOf(operation)?.replayable ?? true
    case "Lie":
      return lying.has(operation._tag)
    case "Cut":
      return Operation.shape(operation) !== "value" || Operation.bodyOf(operation) !== undefined
  }
}

const lying: ReadonlySet<Operation.OperationTag> = new Set([
  "ResolveBlob",
  "GetBlob",
  "ResolveManifest",
  "StartUpload",
  "GetUpload",
  "AppendUpload"
])

/** Returns a generator of numbers from 0 to 1, determined by the seed. */
export const random = (seed: number): () => number => {
  const generator = new PCGRandom(seed)
  return () => generator.number()
}

/** Creates a wrapper that fails by a plan that has started. */
export const middleware =
  (plan: ReturnType<Plan["begin"]>, fire: (fired: Fired) => void): Middleware => (next) => (operation) =>
    Effect.suspend(() => {
      const fault = plan.next(operation)
      const failed = (failure: Failure = reset) => Effect.fail(failure(Operation.errorFields(operation)))
      if (fault !== undefined && fault._tag !== "Cut") fire({ operation: operation._tag, fault })
      switch (fault?._tag) {
        case "Fail":
          return failed(fault.failure)
        case "Lose":
          return Effect.zipRight(next(operation), failed(fault.failure))
        case "Stall":
          return Effect.never
        case "Duplicate":
          return Effect.zipRight(next(operation), Effect.suspend(() => next(operation)))
        case "Lie":
          return Effect.map(next(operation), (result) => lie(result, fault.by))
        default:
          return fault === undefined && plan.pass === undefined
            ? next(operation)
            : truncating(next, operation, truncationOf(fault, plan.pass, operation, fire))
      }
    })

/**
 * Returns where the body or list of an operation is truncated: by a fault, or by a plan that counts the bytes of all
 * bodies.
 */
const truncationOf = (
  fault: Cut | undefined,
  passOfPlan: ((bytes: number) => number) | undefined,
  operation: Operation.Operation,
  fire: (fired: Fired) => void
): truncation.Truncation => {
  const { after = Infinity, failure = reset, how = "fails" } = fault ?? {}
  const isList = Operation.access(operation) === "list"
  let passed = 0
  return {
    pass: (amount) => {
      const passes = Math.min(after - passed, isList ? amount : passOfPlan?.(amount) ?? amount)
      passed += passes
      return passes
    },
    atEnd: () => fault !== undefined && how !== "ends",
    how,
    failure: () => failure(Operation.errorFields(operation)),
    onTruncate: () => fire({ operation: operation._tag, fault: fault ?? { _tag: "Cut", after: passed } })
  }
}

/** Truncates the bodies and lists of an operation. */
const truncating = <O extends Operation.Operation>(
  next: Handler.Handler,
  operation: O,
  limits: truncation.Truncation
): Answer.Answer<O> => {
  let isTruncated = false
  const onTruncate = () => {
    limits.onTruncate()
    isTruncated = true
  }
  const sent = next(Operation.mapBody(operation, (body) => truncation.body(body, { ...limits, onTruncate })))
  // If the connection breaks during the request body, the answer of the registry is lost.
  const answer = Operation.bodyOf(operation) === undefined ? sent : Effect.flatMap(
    Effect.exit(sent),
    (exit) => isTruncated && limits.how === "fails" ? Effect.fail(limits.failure()) : exit
  )
  return Answer.mapShape(answer, operation, {
    content: (content) => BlobContent.mapBody(content, (body) => truncation.body(body, limits)),
    list: (items) => truncation.list(items, limits)
  })
}

/** Changes the lengths in an answer. */
const lie = <A>(result: A, by: number): A => {
  if (result instanceof BlobContent.BlobContent) {
    const { body, descriptor } = result
    return new BlobContent.BlobContent({
      ...result,
      descriptor: { ...descriptor, size: descriptor.size + by },
      body: body.size === undefined ? body : Body.withSize(body, body.size + by)
    }) as A
  }
  if (Predicate.hasProperty(result, "offset")) return { ...result, offset: Number(result.offset) + by }
  return Predicate.hasProperty(result, "size") ? { ...result, size: Number(result.size) + by } : result
}
