/**
 * Fault injection: makes a registry fail by a plan, the same way each time.
 *
 * Use it to test how a program or a wrapper behaves when a connection breaks, an answer is lost, or a registry is
 * unavailable.
 *
 * @since 0.1.0
 */
import type { Middleware } from "@effect-oci/core/Middleware"
import type { Operation } from "@effect-oci/core/Operation"
import { Registry } from "@effect-oci/core/Registry"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Layer from "effect/Layer"
import type { Failure, Fault, Fired, Plan } from "./internal/faultModel.js"
import * as internal from "./internal/faults.js"

export type { Failure, Fault, Fired, Plan }

/**
 * A wrapper that fails by a plan and records the faults.
 *
 * @since 0.1.0
 * @category models
 */
export interface Faulty {
  readonly middleware: Middleware
  /** Returns the faults that happened so far, in order. */
  readonly fired: () => ReadonlyArray<Fired>
}

/**
 * Creates the error of a connection that was reset.
 *
 * @since 0.1.0
 * @category failures
 */
export const reset: Failure = internal.reset

/**
 * Creates the error of a registry that limits the rate of requests: status 429. `retryAfter` is in milliseconds.
 *
 * @since 0.1.0
 * @category failures
 */
export const tooManyRequests = (retryAfter?: number): Failure => (fields) =>
  new RegistryError.TooManyRequests({ ...fields, status: 429, retryAfter })

/**
 * Creates the error of a registry that is unavailable: status 503. `retryAfter` is in milliseconds.
 *
 * @since 0.1.0
 * @category failures
 */
export const unavailable = (retryAfter?: number): Failure => (fields) =>
  new RegistryError.Unavailable({ ...fields, status: 503, retryAfter })

/**
 * Creates the error of a registry, or of a proxy in front of it, that answers with a status (500, 502, 504) and no
 * usable body.
 *
 * @since 0.1.0
 * @category failures
 */
export const status = (code: number): Failure => (fields) =>
  new RegistryError.UnknownCode({ ...fields, code: "UNKNOWN", status: code, reason: `status ${code}` })

/**
 * A plan without faults.
 *
 * @since 0.1.0
 * @category plans
 */
export const none: Plan = { begin: () => ({ next: () => undefined }) }

/**
 * Plans a fault at the k-th operation, counted from 1. Only operations that can have this fault count; `only` selects
 * among them. `times` is the number of operations in a row that have the fault. Default: 1.
 *
 * @since 0.1.0
 * @category plans
 * @example
 * ```ts
 * import { Faulty } from "@effect-oci/laws"
 *
 * // The third body or list breaks after 1000 bytes or items.
 * const broken = Faulty.operation(3, { _tag: "Cut", after: 1000 })
 *
 * // The first push of a manifest is performed, but its answer is lost.
 * const lost = Faulty.operation(1, { _tag: "Lose" }, { only: ({ _tag }) => _tag === "PushManifest" })
 * ```
 */
export const operation = (
  k: number,
  fault: Fault,
  options?: { readonly only?: ((operation: Operation) => boolean) | undefined; readonly times?: number | undefined }
): Plan => ({
  begin: () => {
    let count = 0
    return {
      next: (operation) => {
        if (!internal.canMeet(fault, operation) || options?.only?.(operation) === false) return undefined
        count += 1
        return count >= k && count < k + (options?.times ?? 1) ? fault : undefined
      }
    }
  }
})

/**
 * Plans a broken connection at the k-th byte, counted from 1 over all request and response bodies. That byte does not
 * arrive.
 *
 * @since 0.1.0
 * @category plans
 */
export const byte = (k: number): Plan => ({
  begin: () => {
    let left = k - 1
    return {
      next: () => undefined,
      pass: (bytes) => {
        if (left < 0) return bytes
        const passed = Math.min(bytes, left)
        left = bytes > left ? -1 : left - bytes
        return passed
      }
    }
  }
})

/**
 * Plans random faults. Each operation has a fault with the probability `share`; `only` selects the operations. The same
 * seed gives the same faults.
 *
 * @since 0.1.0
 * @category plans
 */
export const random = (options: {
  readonly seed: number
  readonly share: number
  readonly faults: ReadonlyArray<Fault>
  readonly only?: ((operation: Operation) => boolean) | undefined
}): Plan => ({
  begin: () => {
    const draw = internal.random(options.seed)
    return {
      next: (operation) => {
        if (options.only?.(operation) === false) return undefined
        const [hit, which] = [draw(), draw()]
        const faults = options.faults.filter((fault) => internal.canMeet(fault, operation))
        return hit < options.share ? faults[Math.floor(which * faults.length)] : undefined
      }
    }
  }
})

/**
 * Combines several plans. Every plan sees every operation. If more than one has a fault for an operation, the first
 * fault happens.
 *
 * @since 0.1.0
 * @category plans
 */
export const all = (...plans: ReadonlyArray<Plan>): Plan => ({
  begin: () => {
    const begun = plans.map((plan) => plan.begin())
    const passes = begun.flatMap((plan) => plan.pass ?? [])
    return {
      next: (operation) => begun.map((plan) => plan.next(operation)).find((fault) => fault !== undefined),
      ...(passes.length === 0 ? {} : { pass: (bytes: number) => Math.min(...passes.map((pass) => pass(bytes))) })
    }
  }
})

/**
 * Creates a wrapper that fails by a plan. The plan starts now.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Faulty } from "@effect-oci/laws"
 * import { Registry, RepositoryName } from "@effect-oci/core"
 * import { Retry } from "@effect-oci/middleware"
 * import { Memory } from "@effect-oci/store"
 * import { Effect } from "effect"
 *
 * const faulty = Faulty.make(Faulty.operation(1, { _tag: "Lose", failure: Faulty.status(502) }))
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry
 *   yield* registry.startUpload(RepositoryName.make("team/app"))
 *   return faulty.fired() // one fault: the upload session was opened twice
 * }).pipe(
 *   Effect.provide(Memory.layer().pipe(Faulty.wrap(faulty), Retry.wrap()))
 * )
 * ```
 */
export const make = (plan: Plan): Faulty => {
  const fired: Array<Fired> = []
  return { middleware: internal.middleware(plan.begin(), (each) => void fired.push(each)), fired: () => [...fired] }
}

/**
 * Creates a layer that requires a registry, and provides that registry with its faults. {@link wrap} does the same in a
 * pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (faulty: Faulty): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(faulty.middleware)

/**
 * Makes the registry of a layer fail.
 *
 * @since 0.1.0
 * @category layers
 */
export const wrap = (faulty: Faulty): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(faulty.middleware)
