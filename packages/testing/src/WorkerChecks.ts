/**
 * A worker that runs checks of a store. `NodeWorkerChecks` starts it, and turns each check into a test.
 *
 * @since 0.1.0
 */
import type { StoreCheck } from "@effect-oci/conformance"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

/**
 * Creates the function of a worker that answers requests. It runs the check whose number is the path. `options` returns
 * the options of the store from the bindings of the worker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handler = <Services, Bindings>(
  checks: ReadonlyArray<StoreCheck.StoreCheck<Services>>,
  options: (bindings: Bindings, number: number) => StoreCheck.Options<Services>
) =>
(request: Request, bindings: Bindings): Promise<Response> => {
  const number = Number(new URL(request.url).pathname.slice(1))
  return checks[number]!.run(options(bindings, number)).pipe(
    Effect.match({
      onSuccess: () => new Response(),
      onFailure: ({ message }) => new Response(message, { status: 500 })
    }),
    // A fiber that another request resumes would do the I/O of that request.
    Effect.withScheduler(new Scheduler.MixedScheduler(2048)),
    Effect.runPromise
  )
}
