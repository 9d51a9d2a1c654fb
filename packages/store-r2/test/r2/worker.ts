import { BlobStoreSuite } from "@effect-oci/conformance"
import { R2BlobStore } from "@effect-oci/store-r2"
import { Effect, Scheduler } from "effect"

/** A worker that runs the check of the blob store whose number is the path, over a bucket of its own. */
export default {
  fetch: (request: Request, bindings: { readonly [name: string]: R2BlobStore.Bucket }): Promise<Response> => {
    const number = Number(new URL(request.url).pathname.slice(1))
    const make = Effect.succeed(R2BlobStore.layer({ bucket: bindings[`BUCKET${number}`]! }))
    return BlobStoreSuite.all[number]!.run({ make, durable: true }).pipe(
      Effect.match({
        onSuccess: () => new Response(),
        onFailure: ({ message }) => new Response(message, { status: 500 })
      }),
      // A fiber that another request resumes would do the I/O of that request.
      Effect.withScheduler(new Scheduler.MixedScheduler(2048)),
      Effect.runPromise
    )
  }
}
